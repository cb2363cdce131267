using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>How an exporter stores the matrices of projections and multiplies with them.</summary>
internal abstract record WeightStorage
{
    public abstract Matrix Draw(Random random, int inputs, int outputs);

    /// <summary>Writes y = W x + bias and gives its name.</summary>
    public abstract string Multiply(GraphWriter graph, string x, Matrix matrix, float[]? bias);

    protected static string WithBias(GraphWriter graph, string product, float[]? bias) => bias is null ? product : graph.Op("Add", product, graph.Floats(bias, bias.Length));
}

/// <summary>How the numbers of a matrix stand in the file.</summary>
internal enum PlainForm
{
    /// <summary>An initializer [inputs, outputs].</summary>
    MatMul,

    /// <summary>An initializer [outputs, inputs] behind a Transpose.</summary>
    Transposed,

    /// <summary>A Constant node.</summary>
    Constant,

    /// <summary>Gemm on flattened rows.</summary>
    Gemm,

    /// <summary>FusedMatMul that transposes and multiplies with a factor.</summary>
    Fused,

    /// <summary>Stored as float16 and converted.</summary>
    Converted,

    /// <summary>A bias in front: Add (bias, product).</summary>
    BiasFirst,
}

/// <summary>Numbers.</summary>
internal sealed record PlainStorage : WeightStorage
{
    public PlainForm Form { get; init; }

    public DataType Type { get; init; } = DataType.Float;

    public float Round(float number) => Type == DataType.Float16 || Form == PlainForm.Converted ? (float)(Half)number : number;

    public override Matrix Draw(Random random, int inputs, int outputs)
    {
        float size = (float)Math.Sqrt(3.0 / inputs);
        return new Matrix(inputs, outputs, [.. Enumerable.Range(0, inputs * outputs).Select(_ => Round(size * ((2 * random.NextSingle()) - 1)))]);
    }

    public override string Multiply(GraphWriter graph, string x, Matrix matrix, float[]? bias)
    {
        (long inputs, long outputs) = (matrix.Inputs, matrix.Outputs);
        switch (Form)
        {
            case PlainForm.Transposed:
                return WithBias(graph, graph.Op("MatMul", x, graph.Op("Transpose", [graph.Floats(matrix.Rows, outputs, inputs)], NodeAttributes.Of("perm", 1, 0))), bias);
            case PlainForm.Constant:
                return WithBias(graph, graph.Op("MatMul", x, graph.Constant(matrix.Columns, inputs, outputs)), bias);
            case PlainForm.Gemm:
                string rows = graph.Op("Reshape", x, graph.Integers(-1, inputs));
                string weight = graph.Floats(matrix.Rows, outputs, inputs);
                string product = bias is null
                    ? graph.Op("Gemm", [rows, weight], NodeAttributes.Of("transB", 1L))
                    : graph.Op("Gemm", [rows, weight, graph.Floats(bias, outputs)], NodeAttributes.Of("transB", 1L));
                string shape = graph.Op("Concat", [graph.Op("Shape", [x], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 2L)), graph.Integers(outputs)], NodeAttributes.Of("axis", 0L));
                return graph.Op("Reshape", product, shape);
            case PlainForm.Fused:
                return WithBias(graph, graph.Op("com.microsoft.FusedMatMul", [x, graph.Floats([.. matrix.Rows.Select(number => 2 * number)], outputs, inputs)], NodeAttributes.Of("transB", 1L), NodeAttributes.Of("alpha", 0.5f)), bias);
            case PlainForm.Converted:
                return WithBias(graph, graph.Op("MatMul", x, graph.Op("Cast", [graph.Floats(matrix.Columns, DataType.Float16, inputs, outputs)], NodeAttributes.Of("to", (long)graph.Type))), bias);
            case PlainForm.BiasFirst:
                string plain = graph.Op("MatMul", x, graph.Floats(matrix.Columns, inputs, outputs));
                return bias is null ? plain : graph.Op("Add", graph.Floats(bias, outputs), plain);
            default:
                return WithBias(graph, graph.Op("MatMul", x, graph.Floats(matrix.Columns, inputs, outputs)), bias);
        }
    }
}

/// <summary>How blocks say what is zero.</summary>
internal enum ZeroPoints
{
    None,
    Packed,
    Numbers,
}

/// <summary>Integers of few bits in blocks along the input.</summary>
internal abstract record BlockStorage : WeightStorage
{
    public int Bits { get; init; } = 4;

    public int BlockSize { get; init; } = 32;

    public ZeroPoints ZeroPoints { get; init; }

    /// <summary>Whether columns are in the order of their activations, as GPTQ has them.</summary>
    public bool HasGroupIndex { get; init; }

    protected int BlocksOf(int inputs) => (inputs + BlockSize - 1) / BlockSize;

    public override Matrix Draw(Random random, int inputs, int outputs)
    {
        (int values, int blocks) = (1 << Bits, BlocksOf(inputs));
        int[] elements = [.. Enumerable.Range(0, inputs * outputs).Select(_ => random.Next(values))];
        float[] scales = [.. Enumerable.Range(0, outputs * blocks).Select(_ => (float)(Half)((0.5f + random.NextSingle()) * 2.5f / values / MathF.Sqrt(inputs)))];
        int[] zeros = [.. Enumerable.Range(0, outputs * blocks).Select(_ => ZeroPoints == ZeroPoints.None ? values / 2 : (values / 2) + random.Next(-values / 8, (values / 8) + 1))];
        int[] block = [.. Enumerable.Range(0, inputs).Select(input => input / BlockSize)];
        if (HasGroupIndex)
        {
            random.Shuffle(block);
        }
        float[] rows = [.. from output in Enumerable.Range(0, outputs)
                           from input in Enumerable.Range(0, inputs)
                           let at = (output * blocks) + block[input]
                           select (elements[(output * inputs) + input] - zeros[at]) * scales[at]];
        return new Matrix(inputs, outputs, rows) { Elements = elements, Scales = scales, ZeroPoints = zeros, Blocks = block };
    }

    /// <summary>Integers of a few bits behind each other, low bits first; each row padded to whole bytes.</summary>
    protected static byte[] Pack(ReadOnlySpan<int> rows, int width, int padded, int bits)
    {
        int height = rows.Length / width;
        int bytes = ((padded * bits) + 7) / 8;
        byte[] packed = new byte[height * bytes];
        for (int place = 0; place < rows.Length; place++)
        {
            (int row, int column) = Math.DivRem(place, width);
            packed[(row * bytes) + (column * bits / 8)] |= (byte)(rows[place] << (column * bits % 8));
        }
        return packed;
    }
}

/// <summary>com.microsoft.MatMulNBits.</summary>
internal sealed record NBitsStorage : BlockStorage
{
    /// <summary>Whether the bias is an input of the operator rather than an Add.</summary>
    public bool BiasInside { get; init; }

    public override string Multiply(GraphWriter graph, string x, Matrix matrix, float[]? bias)
    {
        (int outputs, int blocks) = (matrix.Outputs, BlocksOf(matrix.Inputs));
        string[] inputs =
        [
            x, graph.Tensor(DataType.Uint8, Pack(matrix.Elements, matrix.Inputs, blocks * BlockSize, Bits), outputs, blocks, BlockSize * Bits / 8), graph.Floats(matrix.Scales, outputs * blocks),
            ZeroPoints switch
            {
                ZeroPoints.Packed => graph.Tensor(DataType.Uint8, Pack(matrix.ZeroPoints, blocks, blocks, Bits), outputs * (((blocks * Bits) + 7) / 8)),
                ZeroPoints.Numbers => graph.Floats([.. matrix.ZeroPoints.Select(zero => (float)zero)], outputs, blocks),
                _ => "",
            },
            HasGroupIndex ? graph.Tensor(DataType.Int32, MemoryMarshal.AsBytes(matrix.Blocks.AsSpan()).ToArray(), matrix.Inputs) : "",
            bias is not null && BiasInside ? graph.Floats(bias, outputs) : "",
        ];
        string product = graph.Op("com.microsoft.MatMulNBits", inputs.AsSpan(0, Array.FindLastIndex(inputs, input => input.Length > 0) + 1).ToArray(),
            NodeAttributes.Of("K", (long)matrix.Inputs), NodeAttributes.Of("N", (long)outputs), NodeAttributes.Of("bits", (long)Bits), NodeAttributes.Of("block_size", (long)BlockSize), NodeAttributes.Of("accuracy_level", 1L));
        return BiasInside ? product : WithBias(graph, product, bias);
    }
}

/// <summary>DequantizeLinear in front of MatMul.</summary>
internal sealed record DequantizedStorage : BlockStorage
{
    /// <summary>Whether the integers stand as [outputs, inputs] behind a Transpose (the model builder), or as [inputs, outputs].</summary>
    public bool Transposed { get; init; } = true;

    public override string Multiply(GraphWriter graph, string x, Matrix matrix, float[]? bias)
    {
        (int inputs, int outputs, int blocks) = (matrix.Inputs, matrix.Outputs, BlocksOf(matrix.Inputs));
        bool signed = ZeroPoints == ZeroPoints.None;
        int middle = 1 << (Bits - 1);
        DataType type = (Bits, signed) switch { (4, true) => DataType.Int4, (4, false) => DataType.Uint4, (_, true) => DataType.Int8, _ => DataType.Uint8 };
        string Integers(int[] rows, int width, int height)
        {
            int[] shifted = [.. Turn(rows, width, height).Select(number => (signed ? number - middle : number) & ((1 << Bits) - 1))];
            return graph.Tensor(type, Pack(shifted, shifted.Length, shifted.Length, Bits), Transposed ? [height, width] : [width, height]);
        }
        string scales = graph.Floats(Turn(matrix.Scales, blocks, outputs), Transposed ? [outputs, blocks] : [blocks, outputs]);
        string[] operands = signed ? [Integers(matrix.Elements, inputs, outputs), scales] : [Integers(matrix.Elements, inputs, outputs), scales, Integers(matrix.ZeroPoints, blocks, outputs)];
        string weight = graph.Op("DequantizeLinear", operands, NodeAttributes.Of("axis", Transposed ? 1L : 0L), NodeAttributes.Of("block_size", (long)BlockSize));
        return WithBias(graph, graph.Op("MatMul", x, Transposed ? graph.Op("Transpose", [weight], NodeAttributes.Of("perm", 1, 0)) : weight), bias);
    }

    private T[] Turn<T>(T[] rows, int width, int height) =>
        Transposed ? rows : [.. from column in Enumerable.Range(0, width) from row in Enumerable.Range(0, height) select rows[(row * width) + column]];
}

/// <summary>Every second matrix in another storage, as mixed int4 and int8 has them.</summary>
internal sealed record MixedStorage(WeightStorage First, WeightStorage Second) : WeightStorage
{
    private readonly Dictionary<Matrix, WeightStorage> _of = new(ReferenceEqualityComparer.Instance);
    private int _drawn;

    public override Matrix Draw(Random random, int inputs, int outputs)
    {
        WeightStorage storage = _drawn++ / 3 % 2 == 0 ? First : Second;
        Matrix matrix = storage.Draw(random, inputs, outputs);
        _of.Add(matrix, storage);
        return matrix;
    }

    public override string Multiply(GraphWriter graph, string x, Matrix matrix, float[]? bias) => _of[matrix].Multiply(graph, x, matrix, bias);
}
