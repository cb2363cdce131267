using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>A block-wise quantised weight as kernels find it in memory; de-quantised to (q - zero point) * scale as ONNX Runtime computes it, sixteen elements at a time.</summary>
internal readonly unsafe struct StoredWeight
{
    /// <summary>Elements that are de-quantised together; blocks are multiples of it.</summary>
    public const int Step = 16;

    private readonly byte* _elements;
    private readonly float* _scales;
    private readonly byte* _zeros;
    private readonly int _bits;
    private readonly long _blocks;
    private readonly long _zeroBytes;

    private StoredWeight(byte* elements, float* scales, byte* zeros, long rows, int bits, long blockSize, long columns)
    {
        _elements = elements;
        _scales = scales;
        _zeros = zeros;
        _bits = bits;
        (Rows, Columns, BlockSize) = (rows, columns, blockSize);
        _blocks = columns / blockSize;
        _zeroBytes = ((_blocks * bits) + 7) / 8;
    }

    /// <summary>The attributes of its operators.</summary>
    public static IReadOnlyList<string> Attributes { get; } = ["bits", "block_size", "columns"];

    /// <summary>N.</summary>
    public long Rows { get; }

    /// <summary>K.</summary>
    public long Columns { get; }

    /// <summary>Elements of a row that share a scale.</summary>
    public long BlockSize { get; }

    /// <summary>Takes elements, scales and zero points (or none) from three inputs that follow each other.</summary>
    /// <exception cref="InvalidOperationException">They do not fit each other.</exception>
    public static StoredWeight Of(KernelContext context, int firstInput, ReadOnlySpan<long> attributes)
    {
        (long bits, long blockSize, long columns) = (attributes[0], attributes[1], attributes[2]);
        long rows = context.Shape(firstInput)[0];
        if (bits is not (4 or 8) || blockSize < Step || blockSize % Step != 0 || columns % blockSize != 0
            || context.Count(firstInput) != rows * columns * bits / 8 || context.Count(firstInput + 1) != rows * (columns / blockSize))
        {
            throw new InvalidOperationException($"a quantised weight of {rows} rows does not fit its attributes: {bits} bits, blocks of {blockSize}, {columns} columns");
        }
        return new StoredWeight(context.Input<byte>(firstInput), context.Input<float>(firstInput + 1), context.Input<byte>(firstInput + 2), rows, (int)bits, blockSize, columns);
    }

    /// <summary>De-quantises elements of a row; the first one and their number are multiples of <see cref="Step"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Dequantise(long row, long first, long count, float* output)
    {
        byte* elements = _elements + (row * Columns * _bits / 8);
        long last = first + count;
        for (long column = first, block = first / BlockSize; column < last; block++)
        {
            float scale = _scales[(row * _blocks) + block];
            int zeroPoint = ZeroPoint(row, block);
            for (long end = Math.Min((block + 1) * BlockSize, last); column < end; column += Step)
            {
                Store(_bits == 4 ? Halves(elements + (column / 2)) : Vector128.Load(elements + column), output + column - first, zeroPoint, scale);
            }
        }
    }

    private int ZeroPoint(long row, long block) =>
        _zeros is null ? 1 << (_bits - 1)
        : _bits == 8 ? _zeros[(row * _zeroBytes) + block]
        : (_zeros[(row * _zeroBytes) + (block / 2)] >> (int)(4 * (block % 2))) & 0xF;

    /// <summary>Each byte holds two elements, the low half first: widened to 16 bits, the halves are spread into a byte each.</summary>
    private static Vector128<byte> Halves(byte* elements)
    {
        Vector128<ushort> pairs = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)elements).AsByte());
        return ((pairs | Vector128.ShiftLeft(pairs, 4)) & Vector128.Create((ushort)0x0F0F)).AsByte();
    }

    private static void Store(Vector128<byte> elements, float* output, int zeroPoint, float scale)
    {
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(elements);
        Store(low, output, zeroPoint, scale);
        Store(high, output + (Step / 2), zeroPoint, scale);
    }

    private static void Store(Vector128<ushort> elements, float* output, int zeroPoint, float scale)
    {
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(elements);
        Vector256<int> numbers = Vector256.Create(low, high).AsInt32() - Vector256.Create(zeroPoint);
        (Vector256.ConvertToSingle(numbers) * scale).Store(output);
    }
}
