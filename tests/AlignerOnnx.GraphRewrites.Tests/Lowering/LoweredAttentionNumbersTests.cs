using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>
/// Each form of attention that ONNX Runtime computes on the CPU and its lowered graph give the same numbers there, and the shapes that lowering declares are those that come out. A layer of hidden size 128,
/// with four query heads of 32 over two key/value heads, of random weights; two sequences of five tokens.
/// </summary>
[TestClass]
public sealed class LoweredAttentionNumbersTests
{
    private const int Rows = 2;
    private const int Tokens = 5;
    private const int Hidden = 128;

    /// <summary>Float32 sums of a few dozen products of order 1, in another order.</summary>
    private const float Tolerance = 1e-5f;

    private const string Layer = """
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 128] x) => (float[b, s, 128] logits)
            <float[128, 128] wq = ["location": "wq"], float[128, 64] wk = ["location": "wk"], float[128, 64] wv = ["location": "wv"], float[128, 128] wo = ["location": "wo"],
             float[128, 256] packed = ["location": "p"], float[128, 128] wide_k = ["location": "wk2"], float[128, 128] wide_v = ["location": "wv2"], float[384] bias = ["location": "b"],
             float[9, 16] cosines = ["location": "c"], float[9, 16] sines = ["location": "s"], float[9, 8] few_cosines = ["location": "fc"], float[9, 8] few_sines = ["location": "fs"],
             float[4] sinks = ["location": "k"], float[1, 4, 5, 5] slopes = ["location": "sl"],
             float[5, 5] distances = {0, 1, 2, 3, 4, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 4, 3, 2, 1, 0},
             float two = {2}, float half = {0.5}, int32[2] lengths = {4, 4}, int32 total = {5}>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            CORE
            o = MatMul (a, wo)
            logits = Add (x, o)
        }
        """;

    [TestMethod]
    [DataRow("", "(q, k, v, , , lengths, total)", DisplayName = "as it is")]
    [DataRow(", scale = 0.25", "(q, k, v, , , lengths, total)", DisplayName = "a scale")]
    [DataRow("", "(qkv, , , , , lengths, total)", DisplayName = "packed")]
    [DataRow(", do_rotary = 1", "(q, k, v, , , lengths, total, cosines, sines)", DisplayName = "whole heads rotated")]
    [DataRow(", do_rotary = 1, rotary_interleaved = 1", "(q, k, v, , , lengths, total, cosines, sines)", DisplayName = "whole heads rotated, pairs of neighbours")]
    [DataRow(", do_rotary = 1", "(q, k, v, , , lengths, total, few_cosines, few_sines)", DisplayName = "half of each head rotated")]
    [DataRow(", local_window_size = 2", "(q, k, v, , , lengths, total)", DisplayName = "a window of 2")]
    [DataRow(", local_window_size = 1", "(q, k, v, , , lengths, total)", DisplayName = "a window of 1")]
    [DataRow(", softcap = 0.75", "(q, k, v, , , lengths, total)", DisplayName = "a soft cap")]
    [DataRow(", smooth_softmax = 1", "(q, k, v, , , lengths, total)", DisplayName = "a sink of 0")]
    [DataRow("", "(q, k, v, , , lengths, total, , , , , sinks)", DisplayName = "sinks")]
    [DataRow("", "(q, k, v, , , lengths, total, , , , added)", DisplayName = "a bias")]
    [DataRow("", "(scaled, k, v, , , lengths, total)", DisplayName = "queries scaled before")]
    public void GroupQueryAttention(string attributes, string operands) => GivesTheSame($"""
        qkv = MatMul (x, packed) added = Neg (slopes) scaled = Mul (q, half) a = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2{attributes}> {operands}
        """);

    // As many key/value heads as query heads.
    [TestMethod]
    [DataRow("unidirectional = 1", "(q, k4, v4)", DisplayName = "as it is")]
    [DataRow("unidirectional = 1, scale = 0.25", "(q, k4, v4)", DisplayName = "a scale")]
    [DataRow("unidirectional = 1", "(q, k4, v4, bias)", DisplayName = "a bias of queries, keys and values")]
    public void MultiHeadAttention(string attributes, string operands) => GivesTheSame($"""
        k4 = MatMul (x, wide_k) v4 = MatMul (x, wide_v) a = com.microsoft.MultiHeadAttention <num_heads = 4, {attributes}> {operands}
        """);

    /// <summary>Each key/value head stands twice, behind each other, for the two query heads that share it.</summary>
    [TestMethod]
    public void MultiHeadAttention_OfRepeatedHeads() => GivesTheSame($$"""
        {{Repeated("k")}} {{Repeated("v")}} a = com.microsoft.MultiHeadAttention <num_heads = 4, unidirectional = 1> (q, kc, vc)
        """);

    [TestMethod]
    [DataRow("", "(q, k, v)", DisplayName = "as it is")]
    [DataRow(", scale = 0.25", "(q, k, v)", DisplayName = "a scale")]
    [DataRow("", "(q, k, v, added)", DisplayName = "a bias")]
    [DataRow("", "(q, k, v, seen)", DisplayName = "a mask of truth values")]
    public void Attention(string attributes, string operands) => GivesTheSame($"""
        added = Neg (slopes) seen = Less (distances, two) a = Attention <q_num_heads = 4, kv_num_heads = 2, is_causal = 1{attributes}> {operands}
        """);

    [TestMethod]
    public void Attention_OfHeadsApart() => GivesTheSame("""
        qh = Reshape (q, {0, 0, 4, 32}) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, {0, 0, 2, 32}) kt = Transpose <perm = [0, 2, 1, 3]> (kh) vh = Reshape (v, {0, 0, 2, 32}) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
        h = Attention <is_causal = 1> (qt, kt, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, {0, 0, 128})
        """);

    private static string Repeated(string heads) => $$"""
        {{heads}}r = Reshape ({{heads}}, {0, 0, 2, 32}) {{heads}}t = Transpose <perm = [0, 2, 1, 3]> ({{heads}}r) {{heads}}u = Unsqueeze ({{heads}}t, {2}) {{heads}}e = Expand ({{heads}}u, {1, 1, 2, 1, 1})
        {{heads}}f = Reshape ({{heads}}e, {0, 4, -1, 32}) {{heads}}b = Transpose <perm = [0, 2, 1, 3]> ({{heads}}f) {{heads}}c = Reshape ({{heads}}b, {0, 0, 128})
        """;

    private static void GivesTheSame(string core)
    {
        OnnxModel model = OnnxText.Load(Layer.With("CORE", core).WithLists());
        model.Graph.RemoveUnused();
        RandomWeights.Fill(model);
        OnnxModel lowered = model.Clone();
        DecoderLowering.Apply(lowered, RecognisedModel.Of(lowered).RequireSites());
        Assert.IsEmpty(NodeOrder.Reaching(lowered.Graph.Outputs, lowered.Graph).Where(node => node.OpType.EndsWith("Attention", StringComparison.Ordinal)));
        lowered.Graph.RemoveUnused();
        Value[] declared = [.. lowered.Graph.Nodes.SelectMany(node => node.Outputs).OfType<Value>().Where(value => value is { Type: not null, IsGraphOutput: false })];
        Assert.IsNotEmpty(declared);
        foreach (Value value in declared)
        {
            lowered.Graph.AddOutput(value, value.Type!);
        }
        (string, Array, long[])[] inputs =
        [
            ("input_ids", new long[Rows * Tokens], [Rows, Tokens]),
            ("attention_mask", Enumerable.Repeat(1L, Rows * Tokens).ToArray(), [Rows, Tokens]),
            ("x", RandomWeights.Numbers(new Random(17), Rows * Tokens * Hidden), [Rows, Tokens, Hidden]),
        ];
        using GraphRunner before = new(model);
        using GraphRunner after = new(lowered);
        IReadOnlyList<(float[] Data, long[] Shape)> results = after.RunWithShapes(inputs);
        (float[] expected, _) = before.RunFirst(inputs);
        Assert.IsTrue(expected.Zip(results[0].Data).All(pair => MathF.Abs(pair.First - pair.Second) < Tolerance), $"{expected.Zip(results[0].Data).Max(pair => MathF.Abs(pair.First - pair.Second))}");
        AssertShapes(declared, results.Skip(1).Select(result => result.Shape));
    }

    /// <summary>A symbol stands for one size throughout.</summary>
    private static void AssertShapes(IEnumerable<Value> declared, IEnumerable<long[]> shapes)
    {
        Dictionary<string, long> symbols = [];
        foreach ((Value value, long[] shape) in declared.Zip(shapes))
        {
            long[] expected = [.. value.Type!.TensorType.Shape.Dim.Zip(shape, (dimension, size) =>
                dimension.ValueCase == TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue ? dimension.DimValue : symbols.TryAdd(dimension.DimParam, size) ? size : symbols[dimension.DimParam])];
            CollectionAssert.AreEqual(expected, shape, $"{value}: declared as {value.Type.TensorType.Shape}");
        }
    }
}
