using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Decoding;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Which decoders compute tokens of any rows in one run.</summary>
[TestClass]
public sealed class FlatTokensTests
{
    private const int HeadSize = 8;
    private const string Attend = "<num_heads = 2, kv_num_heads = 1, scale = 0.25>";
    private const string Norm = "n = SimplifiedLayerNormalization <axis = -1> (y, weight)";

    private const string Decoder = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (int64[b, s] input_ids, int64[b, t] attention_mask, float[b, 1, c, 8] pk, float[b, 1, c, 8] pv) => (float[b, s, 32] logits, float[b, 1, c, 8] nk, float[b, 1, c, 8] nv)
            <float[32, 16] table = ["location": "t"], float[16, 8] key = ["location": "k"], float[16, 8] value = ["location": "v"], float[16] weight = ["location": "w"], float[16, 32] head = ["location": "h"],
             int64[1] axis = {1}, int64[1] one = {1}>
        {
            q = Gather (table, input_ids)
            k = MatMul (q, key)
            v = MatMul (q, value)
            sum = ReduceSum <keepdims = 0> (attention_mask, axis)
            less = Sub (sum, one)
            lengths = Cast <to = 6> (less)
            y, nk, nv = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v, pk, pv, lengths, lengths)
            n = SimplifiedLayerNormalization <axis = -1> (y, weight)
            logits = MatMul (n, head)
        }
        """;

    [TestMethod]
    public void ADecoder_TakesPositionsAndRowsInPlaceOfTheMask() => RuleTest.Rewrites(Decoder, model => Assert.IsTrue(Flatten(model)), """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1, "aligner" : 1]>
        g (int64[b, s] input_ids, float[aligner_rows, 1, c, 8] pk, float[aligner_rows, 1, c, 8] pv, int32[aligner_tokens] "aligner.positions", int32[aligner_tokens] "aligner.rows", int64[aligner_answers] "aligner.answers")
            => (float[aligner_answers, s, 32] logits, float[aligner_rows, 1, c, 8] nk, float[aligner_rows, 1, c, 8] nv)
            <float[32, 16] table = ["location": "t"], float[16, 8] key = ["location": "k"], float[16, 8] value = ["location": "v"], float[16] weight = ["location": "w"], float[16, 32] head = ["location": "h"], float scale = {0.25}>
        {
            q = Gather (table, input_ids)
            k = MatMul (q, key)
            v = MatMul (q, value)
            y, nk, nv = aligner.CachedAttention <heads = 2, key_value_heads = 1, window = 0, interleaved = 0> (q, pk, pv, "aligner.positions", scale, k, v, , , "aligner.rows")
            n = SimplifiedLayerNormalization <axis = -1> (y, weight)
            asked = Gather <axis = 0> (n, "aligner.answers")
            logits = MatMul (asked, head)
        }
        """);

    [TestMethod]
    [DataRow(Attend, "<num_heads = 2, kv_num_heads = 1, softcap = 5.0>", DisplayName = "attention is not ours")]
    [DataRow(Norm, Norm + " z, zk, zv = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, softcap = 5.0> (q, k, v, pk, pv, lengths, lengths)", DisplayName = "some attention is not ours")]
    [DataRow(Norm, "n = Identity (y)", DisplayName = "logits of another form")]
    [DataRow(Norm, "f = Cast <to = 1> (less) m = Mul (y, f) n = SimplifiedLayerNormalization <axis = -1> (m, weight)", DisplayName = "the mask serves something else")]
    [DataRow("float[b, 1, c, 8] nv)", "float[b, 1, c, 8] nv, int64[b] less)", DisplayName = "lengths are an output")]
    [DataRow("attention_mask", "padding", DisplayName = "no mask")]
    public void AnotherDecoder_StaysAsItIs(string part, string replacement)
    {
        (OnnxModel expected, OnnxModel found) = (OnnxText.Load(Decoder.With(part, replacement)), OnnxText.Load(Decoder.With(part, replacement)));
        CachedAttentions.Apply(expected, HeadSize);
        Assert.IsFalse(Flatten(found));
        RuleTest.AssertSame(expected, found);
    }

    /// <summary>Looked at way by way, which are a million millions here, they would never end.</summary>
    [TestMethod]
    public void LengthsOfManyWays_AreLookedAtOnce()
    {
        string chain = string.Concat(Enumerable.Range(0, 40).Select(step => $"l{step + 1} = Add (l{step}, l{step}) "));
        Assert.IsTrue(Flatten(OnnxText.Load(Decoder.With("lengths = Cast <to = 6> (less)", $"l0 = Cast <to = 6> (less) {chain}lengths = Identity (l40)"))));
    }

    private static bool Flatten(OnnxModel model)
    {
        CachedAttentions.Apply(model, HeadSize);
        return FlatTokens.Apply(model);
    }
}
