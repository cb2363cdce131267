using System.Globalization;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Folding;

/// <summary>
/// Every stored form of a projection, read back: what folding computes from the stored bytes is what ONNX Runtime's own operator gives for the same vector. The
/// projection under test is that of the values, v, in a decoder layer of hidden size 32 with two query heads and one key/value head of 16.
/// </summary>
[TestClass]
public sealed class StoredFormTests
{
    private const int Hidden = 32;
    private const int Size = 16;

    /// <summary>Tolerance of float32 sums of 32 products of numbers below 1.</summary>
    private const float Exact = 2e-5f;

    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (float[1, 1, 32] x) => (float[1, 1, 32] y, float[b, s, 16] v) <int32[1] lengths = {0}, int32[1] total = {1}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            VALUES
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, v, , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    /// <summary>Nodes that compute v; and the tensors they read, "name type[shape]" each, filled at random.</summary>
    public static IEnumerable<object[]> Forms => new (string Nodes, string Tensors, float Tolerance)[]
    {
        ("v = MatMul (x, w)", "w float[32,16]", Exact),
        ("m = MatMul (x, w) v = Add (m, b)", "w float[32,16]; b float[16]", Exact),
        ("m = MatMul (x, w) v = Add (b, m)", "w float[32,16]; b float[1,1,16]", Exact),
        ("t = Transpose <perm = [1, 0]> (w) v = MatMul (x, t)", "w float[16,32]", Exact),
        ("t = Transpose (w) i = Identity (t) v = MatMul (x, i)", "w float[16,32]", Exact),
        ("c = Cast <to = 1> (w) v = MatMul (x, c)", "w float16[32,16]", Exact),
        ("c = Cast <to = 1> (w) v = MatMul (x, c)", "w bfloat16[32,16]", Exact),
        ("v = com.microsoft.FusedMatMul <transB = 1, alpha = 0.5> (x, w)", "w float[16,32]", Exact),
        ("r = Reshape (x, rows) g = Gemm <transB = 1, alpha = 0.5> (r, w, b) v = Reshape (g, back)", "w float[16,32]; b float[16]; rows = -1 32; back = 1 -1 16", Exact),
        ("r = Reshape (x, rows) g = Gemm (r, w) p = Add (g, b) v = Reshape (p, back)", "w float[32,16]; b float[16]; rows = -1 32; back = 1 1 -1", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 32, accuracy_level = 1> (x, w, s)", "w uint8[16,1,16]; s float[16]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, z)", "w uint8[16,2,8]; s float[32]; z uint8[16]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, z)", "w uint8[16,2,8]; s float[16,2]; z uint8[16,1]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, z)", "w uint8[16,2,8]; s float[32]; z float[32]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 64, accuracy_level = 1> (x, w, s, z)", "w uint8[16,1,32]; s float[16]; z uint8[16]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 8, block_size = 16, accuracy_level = 1> (x, w, s, z)", "w uint8[16,2,16]; s float[32]; z uint8[32]", 1e-3f),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 8, block_size = 32, accuracy_level = 1> (x, w, s)", "w uint8[16,1,32]; s float[16]", 1e-3f),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 2, block_size = 16, accuracy_level = 1> (x, w, s, z)", "w uint8[16,2,4]; s float[32]; z uint8[16]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, z, g)", "w uint8[16,2,8]; s float[32]; z middle[16]; g order[32]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, , g)", "w uint8[16,2,8]; s float[32]; g order[32]", Exact),
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 32, accuracy_level = 1> (x, w, s, , , b)", "w uint8[16,1,16]; s float[16]; b float[16]", Exact),
        ("d = DequantizeLinear (w, s) v = MatMul (x, d)", "w int8[32,16]; s float[1]", 1e-3f),
        ("d = DequantizeLinear <axis = 1> (w, s, z) v = MatMul (x, d)", "w int8[32,16]; s float[16]; z int8[16]", 1e-3f),
        ("d = DequantizeLinear <axis = 0> (w, s, z) v = MatMul (x, d)", "w uint8[32,16]; s float[32]; z uint8[32]", 1e-3f),
        ("d = DequantizeLinear <axis = 0, block_size = 16> (w, s) v = MatMul (x, d)", "w int4[32,16]; s float[2,16]", Exact),
        ("d = DequantizeLinear <axis = -1, block_size = 16> (w, s, z) t = Transpose <perm = [1, 0]> (d) v = MatMul (x, t)", "w uint4[16,32]; s float[16,2]; z uint4[16,2]", Exact),
        ("d = DequantizeLinear <axis = 1, block_size = 32> (w, s, z) r = Reshape (x, rows) g = Gemm <transB = 1> (r, d) v = Reshape (g, back)", "w int8[16,32]; s float[16,1]; z int8[16,1]; rows = -1 32; back = 1 -1 16", 1e-3f),
        ("v = com.microsoft.DynamicQuantizeMatMul (x, w, s, z, b)", "w int8[32,16]; s float[16]; z int8[16]; b float[16]", 1.5f),
        ("m = MatMul (x, w) l = MatMul (x, da) u = MatMul (l, up) v = Add (m, u)", "w float[32,16]; da float[32,4]; up float[4,16]", 1e-4f),
        ("m = MatMul (x, w) p = Add (m, b) l = MatMul (x, da) f = Mul (l, half) u = MatMul (f, up) v = Add (u, p)", "w float[32,16]; b float[16]; da float[32,4]; up float[4,16]; half float[1]", 1e-4f),
        ("m = MatMul (x, w) left, v, right = Split <axis = -1> (m, sizes)", "w float[32,48]; sizes = 8 16 24", Exact),
        ("m = MatMul (x, w) p = Add (m, b) v = Slice (p, first, end, axes)", "w float[32,48]; b float[48]; first = 8; end = 24; axes = 2", Exact),
        ("m = MatMul (x, w) c = Slice (m, first, end, axes) v = Add (c, b)", "w float[32,48]; b float[16]; first = 8; end = -24; axes = -1", Exact),
        ("m = com.microsoft.MatMulNBits <K = 32, N = 48, bits = 4, block_size = 16, accuracy_level = 1> (x, w, s, z) left, v, right = Split <axis = 2> (m, sizes)", "w uint8[48,2,8]; s float[96]; z uint8[48]; sizes = 16 16 16", Exact),
    }.Select(form => new object[] { form.Nodes, form.Tensors, form.Tolerance });

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Apply_OfAStoredForm_GivesWhatTheRuntimeGives(string nodes, string tensors, float tolerance)
    {
        const int seed = 3;
        Random random = new(seed);
        OnnxModel model = Model(nodes, tensors, random);
        Match<AttentionSite> match = RecognisedModel.Of(model).Cores.Single().Match;
        Assert.IsTrue(match.Success, $"{match.Reason}: {match.Culprit}");
        float[] token = [.. Enumerable.Range(0, Hidden).Select(_ => (random.NextSingle() * 2) - 1)];

        using GraphRunner runner = new(model);
        float[] expected = runner.Run(("x", token, [1, 1, Hidden]))["v"];
        double[] actual = ProjectionWeights.Apply(match.Found!.Value, Array.ConvertAll(token, number => (double)number), withBias: true);
        Closeness.AssertClose(expected, Array.ConvertAll(actual, number => (float)number), tolerance, $"v, seed {seed}");
        Assert.IsGreaterThan(0.01f, expected.Max(Math.Abs), "a projection that gives nothing proves nothing");
    }

    [TestMethod]
    public void AGroupIndexWithZeroPoints_WhichExecutionProvidersReadInTwoWays_IsRefused()
    {
        OnnxModel model = Model("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16> (x, w, s, z, g)", "w uint8[16,2,8]; s float[32]; z uint8[16]; g order[32]", new Random(3));
        Assert.Contains("group index and zero points", RecognisedModel.Of(model).Cores.Single().Match.Reason ?? "(recognised)");
    }

    private static OnnxModel Model(string nodes, string tensors, Random random)
    {
        ModelProto proto = OnnxText.Parse(Layer.Replace("VALUES", nodes, StringComparison.Ordinal));
        proto.Graph.Initializer.Add(Fill("wq", "float", [Hidden, Hidden], random));
        proto.Graph.Initializer.Add(Fill("wk", "float", [Hidden, Size], random));
        proto.Graph.Initializer.Add(Fill("wo", "float", [Hidden, Hidden], random));
        foreach (string one in tensors.Split(';', StringSplitOptions.TrimEntries))
        {
            proto.Graph.Initializer.Add(Read(one, random));
        }
        return ModelLoader.FromProto(proto);
    }

    private static TensorProto Read(string text, Random random)
    {
        string[] parts = text.Split(' ', 2);
        if (parts[1].StartsWith('='))
        {
            long[] numbers = [.. parts[1][1..].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
            return Tensor.Of(parts[0], numbers, numbers.Length);
        }
        int bracket = parts[1].IndexOf('[', StringComparison.Ordinal);
        return Fill(parts[0], parts[1][..bracket], [.. parts[1][(bracket + 1)..^1].Split(',').Select(size => long.Parse(size, CultureInfo.InvariantCulture))], random);
    }

    /// <summary>A tensor of random elements: floating point between -0.2 and 0.2, integers over their whole range, "order" the groups of columns in a random order, "middle" the zero points of symmetric 4-bit weights.</summary>
    private static TensorProto Fill(string name, string type, long[] shape, Random random)
    {
        long count = shape.Aggregate(1L, (a, b) => a * b);
        float[] numbers = [.. Enumerable.Range(0, (int)count).Select(_ => (random.NextSingle() * 0.4f) - 0.2f)];
        switch (type)
        {
            case "float":
                return Tensor.Of(name, numbers, shape);
            case "float16":
                return Tensor.Inline(name, DataType.Float16, FloatEncoding.ToBytes(numbers, DataType.Float16), shape);
            case "bfloat16":
                return Tensor.Inline(name, DataType.Bfloat16, FloatEncoding.ToBytes(numbers, DataType.Bfloat16), shape);
            case "middle":
                byte[] middle = new byte[count];
                Array.Fill(middle, (byte)0x88);
                return Tensor.Inline(name, DataType.Uint8, middle, shape);
            case "order":
                int[] groups = [.. Enumerable.Range(0, (int)count).Select(column => column / Size)];
                random.Shuffle(groups);
                return Tensor.Inline(name, DataType.Int32, System.Runtime.InteropServices.MemoryMarshal.AsBytes(groups.AsSpan()), shape);
            default:
                DataType integers = Enum.Parse<DataType>(type, ignoreCase: true);
                byte[] bytes = new byte[ElementTypes.ByteLength(integers, count)];
                random.NextBytes(bytes);
                return Tensor.Inline(name, integers, bytes, shape);
        }
    }
}
