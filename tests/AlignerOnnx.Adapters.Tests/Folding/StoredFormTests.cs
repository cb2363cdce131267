using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Folding;

/// <summary>
/// Every stored form of a projection, read back: what folding computes from the stored bytes is what ONNX Runtime's own operator gives for the same vector. The
/// projection under test is that of the values, v, in a decoder layer of hidden size 32 with two query heads and one key/value head of 16.
/// </summary>
[TestClass]
public sealed class StoredFormTests
{
    private const int Size = 16;

    /// <summary>Tolerance of float32 sums of 32 products of numbers below 1.</summary>
    private const float Exact = 2e-5f;

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
        ("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 32, accuracy_level = 1> (x, w, s, z)", "w uint8[16,1,16]; s float[16]; z float[16]", Exact),
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
        ("v = com.microsoft.DynamicQuantizeMatMul (x, w, s, z, b)", "w int7[32,16]; s float[16]; z int8[16]; b float[16]", 0.4f),
        ("xq, xs, xz = DynamicQuantizeLinear (x) m = MatMulInteger (xq, w, xz, z) c = Cast <to = 1> (m) f = Mul (xs, s) p = Mul (c, f) v = Add (p, b)", "w int7[32,16]; s float[16]; z int8[16]; b float[16]", 0.4f),
        ("xq, xs, xz = DynamicQuantizeLinear (x) v = com.microsoft.MatMulIntegerToFloat (xq, w, xs, s, xz, z, b)", "w uint8[32,16]; s float[1]; z uint8[1]; b float[16]", 0.4f),
        ("v = MatMul (x, w)", "w float[1,32,16]", Exact),
        ("t = Transpose <perm = [0, 2, 1]> (w) v = MatMul (x, t)", "w float[1,16,32]", Exact),
        ("m = MatMul (x, w) l = MatMul (x, da) u = MatMul (l, up) v = Add (m, u)", "w float[32,16]; da float[32,4]; up float[4,16]", 1e-4f),
        ("m = MatMul (x, w) p = Add (m, b) l = MatMul (x, da) f = Mul (l, half) u = MatMul (f, up) v = Add (u, p)", "w float[32,16]; b float[16]; da float[32,4]; up float[4,16]; half float[1]", 1e-4f),
        ("m = MatMul (x, w) left, v, right = Split <axis = -1> (m, sizes)", "w float[32,48]; sizes = 8 16 24", Exact),
        ("m = MatMul (x, w) p = Add (m, b) v = Slice (p, first, end, axes)", "w float[32,48]; b float[48]; first = 8; end = 24; axes = 2", Exact),
        ("m = MatMul (x, w) c = Slice (m, first, end, axes) v = Add (c, b)", "w float[32,48]; b float[16]; first = 8; end = -24; axes = -1", Exact),
        ("m = com.microsoft.MatMulNBits <K = 32, N = 48, bits = 4, block_size = 32, accuracy_level = 1> (x, w, s, z) left, v, right = Split <axis = 2> (m, sizes)", "w uint8[48,1,16]; s float[48]; z uint8[48]; sizes = 16 16 16", Exact),
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
        float[] token = [.. Enumerable.Range(0, SmallLayer.Hidden).Select(_ => (random.NextSingle() * 2) - 1)];

        // Over one token the core gives that token's value, for both query heads that share it.
        using GraphRunner runner = new(model);
        float[] expected = runner.Run(("x", token, [1, 1, SmallLayer.Hidden]))["a"][..Size];
        using TensorReader reader = new();
        double[] actual = ProjectionWeights.Apply(reader, match.Found!.Value, Array.ConvertAll(token, number => (double)number), withBias: true);
        Closeness.AssertClose(expected, Array.ConvertAll(actual, number => (float)number), tolerance, $"v, seed {seed}");
        Assert.IsGreaterThan(0.01f, expected.Max(Math.Abs), "a projection that gives nothing proves nothing");
    }

    [TestMethod]
    public void AGroupIndexWithZeroPoints_WhichExecutionProvidersReadInTwoWays_IsRefused()
    {
        OnnxModel model = Model("v = com.microsoft.MatMulNBits <K = 32, N = 16, bits = 4, block_size = 16> (x, w, s, z, g)", "w uint8[16,2,8]; s float[32]; z uint8[16]; g order[32]", new Random(3));
        Assert.Contains("group index and zero points", RecognisedModel.Of(model).Cores.Single().Match.Reason ?? "(recognised)");
    }

    private static OnnxModel Model(string nodes, string tensors, Random random) => SmallLayer.Of(
        $"q = MatMul (x, wq) k = MatMul (x, wk) {nodes} a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, v, , , lengths, total)",
        $"wq float[32,32]; wk float[32,16]; wo float[32,32]; {tensors}", random);
}
