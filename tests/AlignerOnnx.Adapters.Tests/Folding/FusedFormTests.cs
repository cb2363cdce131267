using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Folding;

/// <summary>
/// Attention forms against ONNX Runtime's operators: over one token without a past the softmax is 1, so that what the core gives is that token's value, repeated for
/// the query heads. It must be what folding computes for the token, whatever way the form packs projections and adds biases. Hidden size 32, two query heads of 16.
/// </summary>
[TestClass]
public sealed class FusedFormTests
{
    private const float Exact = 5e-5f;

    private const string Projections = "q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv) ";
    private const string Weights = "wq float[32,32]; wk float[32,32]; wv float[32,32]; ";
    private const string Grouped = "wq float[32,32]; wk float[32,16]; wv float[32,16]; ";
    private const string Heads = "four = 0 0 -1 16; three = 0 0 32; ";

    private const string Apart = Projections
        + "qr = Reshape (q, four) qt = Transpose <perm = [0, 2, 1, 3]> (qr) kr = Reshape (k, four) kt = Transpose <perm = [0, 2, 1, 3]> (kr) vr = Reshape (v, four) vt = Transpose <perm = [0, 2, 1, 3]> (vr) ";

    private const string Together = "at = Transpose <perm = [0, 2, 1, 3]> (ah) a = Reshape (at, three)";

    /// <summary>Name of the form, heads of keys and values, nodes that compute a from x, tensors.</summary>
    public static IEnumerable<object[]> Forms => new (string Form, int Groups, string Nodes, string Tensors)[]
    {
        ("MultiHeadAttention", 2, Projections + "a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)", Weights),
        ("MultiHeadAttention", 2, Projections + "a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v, b)", Weights + "b float[96]"),
        ("MultiHeadAttention", 2, "m = MatMul (x, w) p = Add (m, b) q, k, v = Split <axis = -1> (p, sizes) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, k, v)",
            "w float[32,96]; b float[96]; sizes = 32 32 32"),
        ("MultiHeadAttention", 1, Projections + """
            kr = Reshape (k, four) kt = Transpose <perm = [0, 2, 1, 3]> (kr) ku = Unsqueeze (kt, two) ke = Expand (ku, five) kf = Reshape (ke, all) kb = Transpose <perm = [0, 2, 1, 3]> (kf) kc = Reshape (kb, three)
            vr = Reshape (v, four) vt = Transpose <perm = [0, 2, 1, 3]> (vr) vu = Unsqueeze (vt, two) ve = Expand (vu, five) vf = Reshape (ve, all) vb = Transpose <perm = [0, 2, 1, 3]> (vf) vc = Reshape (vb, three)
            a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, kc, vc)
            """, Grouped + Heads + "two = 2; five = 1 1 2 1 16; all = 1 2 1 16"),
        ("Attention (com.microsoft)", 2, "a = com.microsoft.Attention <num_heads = 2, unidirectional = 1> (x, w, b)", "w float[32,96]; b float[96]"),
        ("Attention (com.microsoft)", 2, "t = Transpose <perm = [1, 0]> (w) a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [32, 32, 32]> (x, t, b)", "w float[96,32]; b float[96]"),
        ("Attention", 2, Projections + "a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k, v)", Weights),
        ("Attention", 1, Projections + "a = Attention <q_num_heads = 2, kv_num_heads = 1, is_causal = 1, scale = 0.5> (q, k, v)", Grouped),
        ("Attention", 1, Apart + "ah = Attention <is_causal = 1> (qt, kt, vt) " + Together, Grouped + Heads),
        ("Attention", 1, Apart + """
            qn = RMSNormalization <epsilon = 0.00001> (qt, nq) kn = RMSNormalization <epsilon = 0.00001> (kt, nk)
            qp = RotaryEmbedding (qn, cos, sin, positions) kp = RotaryEmbedding (kn, cos, sin, positions)
            ah = Attention <is_causal = 1, softcap = 30.0> (qp, kp, vt)
            """ + Together, Grouped + Heads + "nq float[16]; nk float[16]; cos float[4,8]; sin float[4,8]; positions = 0/1,1"),
        ("GroupQueryAttention", 1, Projections + "b2 = Add (v, b) a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, b2, , , lengths, total)", Grouped + "b float[16]"),
        ("GroupQueryAttention", 1, "m = MatMul (x, w) p = Add (b, m) a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (p, , , , , lengths, total)", "w float[32,64]; b float[64]"),
        ("GroupQueryAttention", 1, "m = MatMul (x, w) q, k, c = Split <axis = 2> (m, sizes) v = Add (c, b) a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (q, k, v, , , lengths, total)",
            "w float[32,64]; b float[16]; sizes = 32 16 16"),
        ("GroupQueryAttention", 1, "m = MatMul (x, w) l = MatMul (x, da) u = MatMul (l, up) p = Add (m, u) a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (p, , , , , lengths, total)",
            "w float[32,64]; da float[32,4]; up float[4,64]"),
    }.Select(form => new object[] { form.Form, form.Groups, form.Nodes, form.Tensors });

    /// <summary>Layouts of MultiHeadAttention that the CPU does not run, and standard operators that cut the values out of them.</summary>
    public static IEnumerable<object[]> PackedHeads => new (string Nodes, string Equivalent, string Tensors)[]
    {
        ("m = MatMul (x, w) r = Reshape (m, heads) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)",
            "m = MatMul (x, w) r = Reshape (m, heads) c = Slice (r, first, end, axis) a = Reshape (c, three)",
            "w float[32,96]; heads = 0 0 2 3 16; first = 2; end = 3; axis = 3; three = 0 0 32"),
        ("q = MatMul (x, wq) m = MatMul (x, w) r = Reshape (m, heads) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, r)",
            "m = MatMul (x, w) r = Reshape (m, heads) c = Slice (r, first, end, axis) a = Reshape (c, three)",
            "wq float[32,32]; w float[32,64]; heads = 0 0 2 2 16; first = 1; end = 2; axis = 3; three = 0 0 32"),
        ("q = MatMul (x, wq) m = MatMul (x, w) r = Reshape (m, heads) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (q, r, , b)",
            "m = MatMul (x, w) r = Reshape (m, heads) c = Slice (r, first, end, axis) d = Reshape (c, three) e = Slice (b, first_bias, end_bias) a = Add (d, e)",
            "wq float[32,32]; w float[32,64]; b float[96]; heads = 0 0 2 2 16; first = 1; end = 2; axis = 3; three = 0 0 32; first_bias = 64; end_bias = 96"),
    }.Select(form => new object[] { form.Nodes, form.Equivalent, form.Tensors });

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Value_OfOneToken_IsWhatTheCoreGives(string form, int groups, string nodes, string tensors) =>
        AssertValue(form, groups, nodes, nodes, tensors);

    [TestMethod]
    [DynamicData(nameof(PackedHeads))]
    public void Value_OfPackedHeads_IsThePartThatTheOperatorDefines(string nodes, string equivalent, string tensors) =>
        AssertValue("MultiHeadAttention", 2, nodes, equivalent, tensors);

    private static void AssertValue(string form, int groups, string nodes, string run, string tensors)
    {
        const int seed = 8;
        Random random = new(seed);
        OnnxModel model = SmallLayer.Of(nodes, tensors + "; wo float[32,32]", random);
        Match<AttentionSite> match = RecognisedModel.Of(model).Cores.Single().Match;
        Assert.IsTrue(match.Success, $"{match.Reason}: {match.Culprit}");
        AttentionSite site = match.Found!;
        Assert.AreEqual((form, 2, groups, 16), (site.Form, site.QueryHeads, site.KeyValueHeads, site.HeadSize));
        float[] token = [.. Enumerable.Range(0, SmallLayer.Hidden).Select(_ => (random.NextSingle() * 2) - 1)];

        using GraphRunner runner = new(SmallLayer.Of(run, tensors + "; wo float[32,32]", new Random(seed)));
        float[] expected = runner.Run(("x", token, [1, 1, SmallLayer.Hidden]))["a"];
        using TensorReader reader = new();
        float[] value = Array.ConvertAll(ProjectionWeights.Apply(reader, site.Value, Array.ConvertAll(token, number => (double)number), withBias: true), number => (float)number);
        float[] repeated = [.. Enumerable.Range(0, 2).SelectMany(head => value.Skip(head * groups / 2 * 16).Take(16))];
        Closeness.AssertClose(expected, repeated, Exact, $"a, seed {seed}");
    }
}
