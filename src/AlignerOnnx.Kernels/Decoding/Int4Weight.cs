namespace AlignerOnnx.Kernels;

/// <summary>A weight of 4 bits [N, K] as MatMulNBits stores it: each row in blocks that share a scale and a zero point, the last one padded; two elements a byte, the low half first.</summary>
internal readonly unsafe struct Int4Weight
{
    /// <summary>Columns that are multiplied together; blocks are multiples of it.</summary>
    public const int StepColumns = 32;

    /// <summary>Rows that are multiplied together.</summary>
    public const int RowsAtOnce = 16;

    private readonly byte* _elements;
    private readonly float* _scales;
    private readonly byte* _zeroPoints;

    public Int4Weight(byte* elements, float* scales, byte* zeroPoints, long rows, long columns, long blockSize)
    {
        _elements = elements;
        _scales = scales;
        _zeroPoints = zeroPoints;
        (Rows, Columns, BlockSize) = (rows, columns, blockSize);
        Blocks = (columns + blockSize - 1) / blockSize;
    }

    /// <summary>The attributes of its operator.</summary>
    public static IReadOnlyList<string> Attributes { get; } = ["rows", "columns", "block_size"];

    /// <summary>N.</summary>
    public long Rows { get; }

    /// <summary>K.</summary>
    public long Columns { get; }

    /// <summary>Elements of a row that share a scale.</summary>
    public long BlockSize { get; }

    /// <summary>Blocks of a row.</summary>
    public long Blocks { get; }

    /// <summary>Steps of a block.</summary>
    public long StepsPerBlock => BlockSize / StepColumns;

    /// <summary>Steps of a row.</summary>
    public long Steps => Blocks * StepsPerBlock;

    /// <summary>Bytes from the elements of a row to those of the next.</summary>
    public long ElementStride => Blocks * BlockSize / 2;

    /// <summary>Bytes from the zero points of a row to those of the next.</summary>
    public long ZeroPointStride => (Blocks + 1) / 2;

    /// <summary>Takes elements, scales and zero points (or none) from three inputs that follow each other.</summary>
    /// <exception cref="InvalidOperationException">They do not fit each other.</exception>
    public static Int4Weight Of(KernelContext context, int firstInput, ReadOnlySpan<long> attributes)
    {
        Int4Weight weight = new(context.Input<byte>(firstInput), context.Input<float>(firstInput + 1), context.Input<byte>(firstInput + 2), attributes[0], attributes[1], attributes[2]);
        if (weight.Rows < RowsAtOnce || weight.Columns < 1 || weight.BlockSize < StepColumns || weight.BlockSize % StepColumns != 0
            || context.Count(firstInput) != weight.Rows * weight.ElementStride || context.Count(firstInput + 1) != weight.Rows * weight.Blocks
            || (weight._zeroPoints is not null && context.Count(firstInput + 2) != weight.Rows * weight.ZeroPointStride))
        {
            throw new InvalidOperationException($"a weight of 4 bits does not fit its attributes: {weight.Rows} rows, {weight.Columns} columns, blocks of {weight.BlockSize}");
        }
        return weight;
    }

    /// <summary>The elements of a row.</summary>
    public byte* ElementsOf(long row) => _elements + (row * ElementStride);

    /// <summary>The scales of a row.</summary>
    public float* ScalesOf(long row) => _scales + (row * Blocks);

    /// <summary>The zero points of a row; null where all are 8.</summary>
    public byte* ZeroPointsOf(long row) => _zeroPoints is null ? null : _zeroPoints + (row * ZeroPointStride);
}
