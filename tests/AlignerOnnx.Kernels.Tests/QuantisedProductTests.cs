using System.Runtime.Intrinsics.X86;
using AlignerOnnx.Graph.Text;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Onnx;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>QuantisedProduct in a session of ONNX Runtime, both ways through random weights, against double precision.</summary>
[TestClass]
public sealed class QuantisedProductTests
{
    private static readonly int Seed = Environment.TickCount;

    public TestContext TestContext { get; set; } = null!;

    /// <summary>Lines: one, fewer and more than are taken together. The weight: one panel, more than are taken together; one piece, more than one with a short last one.</summary>
    public static IEnumerable<object[]> Cases =>
        from transposed in new[] { true, false }
        from bits in new[] { 4, 8 }
        from zeroPoints in new[] { true, false }
        from lines in new[] { 1, 8, 29 }
        from size in new[] { (Rows: 32, Columns: 32, Block: 16), (Rows: 160, Columns: 320, Block: 32), (Rows: 288, Columns: 576, Block: 64), (Rows: 64, Columns: 768, Block: 256) }
        select new object[] { transposed, bits, zeroPoints, lines, size.Rows, size.Columns, size.Block };

    [TestInitialize]
    public void RequireVectors()
    {
        TestContext.WriteLine($"seed {Seed}");
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Product_OfARandomWeight_IsThatOfDoublePrecision(bool transposed, int bits, bool zeroPoints, int lines, int rows, int columns, int blockSize)
    {
        Weight weight = new(rows, columns, bits, blockSize, zeroPoints, new Random(Seed));
        (int depth, int width) = transposed ? (columns, rows) : (rows, columns);
        Random random = new(Seed + 1);
        float[] x = [.. Enumerable.Range(0, lines * depth).Select(_ => (float)(random.NextDouble() - 0.5))];
        float[] found = weight.Multiply(x, lines, transposed);
        Assert.HasCount(lines * width, found);
        for (int i = 0; i < found.Length; i++)
        {
            (int line, int column) = (i / width, i % width);
            (double sum, double magnitude) = (0, 0);
            for (int place = 0; place < depth; place++)
            {
                double term = x[(line * depth) + place] * (transposed ? weight.At(column, place) : weight.At(place, column));
                sum += term;
                magnitude += Math.Abs(term);
            }
            Assert.AreEqual(sum, found[i], 1e-6 * magnitude, $"line {line}, column {column}");
        }
    }

    private sealed class Weight
    {
        private readonly int _rows;
        private readonly int _columns;
        private readonly int _bits;
        private readonly int _blockSize;
        private readonly byte[] _elements;
        private readonly float[] _scales;
        private readonly byte[]? _zeroPoints;

        public Weight(int rows, int columns, int bits, int blockSize, bool zeroPoints, Random random)
        {
            (_rows, _columns, _bits, _blockSize) = (rows, columns, bits, blockSize);
            _elements = new byte[rows * columns * bits / 8];
            random.NextBytes(_elements);
            _scales = [.. Enumerable.Range(0, rows * Blocks).Select(_ => (float)(random.NextDouble() - 0.3))];
            _zeroPoints = zeroPoints ? new byte[rows * ZeroPointBytes] : null;
            random.NextBytes(_zeroPoints.AsSpan());
        }

        private int Blocks => _columns / _blockSize;

        private int ZeroPointBytes => ((Blocks * _bits) + 7) / 8;

        /// <summary>(q - zero point) * scale.</summary>
        public double At(int row, int column)
        {
            int block = column / _blockSize;
            int zero = _zeroPoints is null ? 1 << (_bits - 1) : Number(_zeroPoints.AsSpan(row * ZeroPointBytes), block);
            return (Number(_elements.AsSpan(row * _columns * _bits / 8), column) - zero) * (double)_scales[(row * Blocks) + block];
        }

        public float[] Multiply(float[] x, int lines, bool transposed)
        {
            (int depth, int width) = transposed ? (_columns, _rows) : (_rows, _columns);
            ModelProto model = OnnxText.Parse($$"""
                <ir_version: 10, opset_import: ["" : 21, "aligner" : 1]>
                product (float[b, {{depth}}] x) => (float[b, {{width}}] y)
                    <uint8[{{_rows}}, {{_columns * _bits / 8}}] q = ["location": "q"], float[{{_rows}}, {{Blocks}}] s = ["location": "s"]{{(_zeroPoints is null ? "" : $", uint8[{_rows}, {ZeroPointBytes}] z = [\"location\": \"z\"]")}}>
                {
                    y = aligner.QuantisedProduct <bits = {{_bits}}, block_size = {{_blockSize}}, columns = {{_columns}}, transposed = {{(transposed ? 1 : 0)}}> (x, q, s{{(_zeroPoints is null ? "" : ", z")}})
                }
                """);
            foreach (TensorProto tensor in model.Graph.Initializer)
            {
                tensor.ExternalData.Clear();
                tensor.DataLocation = TensorProto.Types.DataLocation.Default;
                tensor.RawData = ByteString.CopyFrom(tensor.Name switch { "q" => _elements, "z" => _zeroPoints!, _ => [.. _scales.SelectMany(BitConverter.GetBytes)] });
            }
            using SessionOptions options = new() { IntraOpNumThreads = 3 };
            OperatorKernels.Register(options);
            using InferenceSession session = new(model.ToByteArray(), options);
            using OrtValue value = OrtValue.CreateTensorValueFromMemory(x, [lines, depth]);
            using RunOptions run = new();
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, ["x"], [value], ["y"]);
            return results[0].GetTensorDataAsSpan<float>().ToArray();
        }

        private int Number(ReadOnlySpan<byte> bytes, int index) => _bits == 8 ? bytes[index] : (bytes[index / 2] >> (4 * (index % 2))) & 0xF;
    }
}
