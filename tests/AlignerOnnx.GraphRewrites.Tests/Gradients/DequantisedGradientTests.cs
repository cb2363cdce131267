using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Tests.Rules;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Gradients;

/// <summary>
/// Gradients through quantised products, in ONNX Runtime, against a weight that is de-quantised here by the definition of the storage: element k of row n is
/// scale (q - zero point), q and the zero point packed into the bytes of the row from the low bits on.
/// </summary>
[TestClass]
public sealed class DequantisedGradientTests
{
    private const int Seed = 47;
    private const int Tokens = 2;

    /// <summary>Float32 sums of at most 48 products of order 1.</summary>
    private const double Tolerance = 1e-4;

    public static IEnumerable<object[]> Cases =>
        from runtime in new[] { TrainingRuntime.OnnxRuntime, TrainingRuntime.OnnxRuntimeTraining }
        from bits in new[] { 2, 4, 8 }
        from zeroPoints in new[] { false, true }
        // Two blocks in a row; three, where zero points of 4 bits leave half a byte over; and two of which the last is padded.
        from columns in new[] { 32, 48, 24 }
        select new object[] { runtime, bits, zeroPoints, columns };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_IsThatOfTheDequantisedWeight(TrainingRuntime runtime, int bits, bool zeroPoints, int columns)
    {
        const int rows = 3;
        const int blockSize = 16;
        int blocks = (columns + blockSize - 1) / blockSize;
        int rowBytes = blocks * blockSize * bits / 8;
        int zeroBytes = ((blocks * bits) + 7) / 8;
        OnnxModel model = OnnxText.Load($$"""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            g (float[{{Tokens}}, {{columns}}] x, float[{{Tokens}}, {{rows}}] dy) => (float[{{Tokens}}, {{rows}}] y)
                <uint8[{{rows}}, {{blocks}}, {{blockSize * bits / 8}}] elements = ["location": "e"], float[{{rows * blocks}}] scales = ["location": "s"], uint8[{{rows * zeroBytes}}] zeros = ["location": "z"]>
            {
                y = com.microsoft.MatMulNBits <N = {{rows}}, K = {{columns}}, bits = {{bits}}, block_size = {{blockSize}}, accuracy_level = 1> (x, elements, scales{{(zeroPoints ? ", zeros" : "")}})
            }
            """);
        Random random = new(Seed);
        byte[] elements = Bytes(random, rows * rowBytes);
        byte[] zeros = Bytes(random, rows * zeroBytes);
        float[] scales = RandomWeights.Numbers(random, rows * blocks);
        model.Graph.AddInitializer(Tensor.Inline("elements", DataType.Uint8, elements, rows, blocks, blockSize * bits / 8));
        model.Graph.AddInitializer(Tensor.Inline("zeros", DataType.Uint8, zeros, rows * zeroBytes));
        model.Graph.AddInitializer(Tensor.Of("scales", scales, rows * blocks));
        float Weight(int n, int k) => scales[(n * blocks) + (k / blockSize)]
            * (Packed(elements, n * rowBytes, k, bits) - (zeroPoints ? Packed(zeros, n * zeroBytes, k / blockSize, bits) : 1 << (bits - 1)));

        float[] x = RandomWeights.Numbers(random, Tokens * columns);
        float[] dy = RandomWeights.Numbers(random, Tokens * rows);
        BackwardPass.Differentiate(model, ["x"], runtime);
        model.Graph.RemoveUnused();
        using GraphRunner runner = new(model);
        IReadOnlyDictionary<string, float[]> results = runner.Run(("x", x, [Tokens, columns]), ("dy", dy, [Tokens, rows]));
        for (int token = 0; token < Tokens; token++)
        {
            float[] y = [.. Enumerable.Range(0, rows).Select(n => Enumerable.Range(0, columns).Sum(k => x[(token * columns) + k] * Weight(n, k)))];
            Closeness.AssertClose(y, results["y"].AsSpan(token * rows, rows), Tolerance * (1 << bits), $"product, token {token}, seed {Seed}");
            float[] dx = [.. Enumerable.Range(0, columns).Select(k => Enumerable.Range(0, rows).Sum(n => dy[(token * rows) + n] * Weight(n, k)))];
            Closeness.AssertClose(dx, results["dx"].AsSpan(token * columns, columns), Tolerance * (1 << bits), $"gradient, token {token}, seed {Seed}");
        }
    }

    private static int Packed(byte[] bytes, int first, int index, int bits) => (bytes[first + (index * bits / 8)] >> (index * bits % 8)) & ((1 << bits) - 1);

    private static byte[] Bytes(Random random, int count)
    {
        byte[] bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }
}
