using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// The two forms of the concat reading: rows of a table that reserved ids select (prefix slots), and tokens that lead every sequence (the gradient graph). In both, key and value
/// projections, and nothing else, read the tokens in place of the hidden state. A layer of hidden size 8, with two heads of 4, and a vocabulary of 100.
/// </summary>
[TestClass]
public sealed class PrefixRuleTests
{
    private const string Before = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, int32 total) => (float[b, s, 100] logits)
            <float[100, 8] table = ["location": "table"], float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[8, 100] head = ["location": "head"], int64[1] last_axis = {1}, int64 one = {1}>
        {
            tokens_of_row = ReduceSum <keepdims = 0> (attention_mask, last_axis)
            last = Sub (tokens_of_row, one)
            lengths = Cast <to = 6> (last)
            x = Gather (table, input_ids)
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, , , lengths, total)
            o = MatMul (a, wo)
            y = Add (x, o)
            logits = MatMul (y, head)
        }
        """;

    // Keys of a product of rows, [b * s, 8], values of one that does not need them, and reads them too.
    private static readonly string Rows = Before.With("k = MatMul (x, wk)", "rows = Reshape (x, {-1, 8}) kr = Gemm (rows, wk) k = Reshape (kr, {1, -1, 8})")
        .With("v = MatMul (x, wv)", "vr = MatMul (rows, wv) v = Reshape (vr, {1, -1, 8})").WithLists();

    private static readonly string WithLoRA = Before.With("a = com", "low = MatMul (x, down) change = MatMul (low, up) vl = Add (v, change) a = com").With("(q, k, v,", "(q, k, vl,")
        .With("float[8, 8] wq", "float[8, 2] down = [\"location\": \"d\"], float[2, 8] up = [\"location\": \"u\"], float[8, 8] wq");

    // An id of 100 or above is number id - 100 of the table.
    [TestMethod]
    public void Prefix_OfProductsOfRows_ChoosesRowByRow() => RuleTest.Rewrites(Rows, InjectPrefix, WithTable(Rows)
        .With("kr = Gemm (rows,", """
            where_row = Reshape (where, {-1, 1})
            chosen_row = Reshape (chosen, {-1, 8})
            source = Where (where_row, chosen_row, rows)
            kr = Gemm (source,
            """).With("MatMul (rows, wv)", "MatMul (source, wv)").WithLists());

    [TestMethod]
    public void Prefix_OfALoRABesideAProjection_IsReadByBoth() => RuleTest.Rewrites(WithLoRA, InjectPrefix, WithTable(WithLoRA)
        .With("k = MatMul (x, wk)", "source = Where (where, chosen, x) k = MatMul (source, wk)").With("MatMul (x, wv)", "MatMul (source, wv)").With("MatMul (x, down)", "MatMul (source, down)").WithLists());

    /// <summary>Sequences in one line, ids [tokens]. Only GPUs have a kernel for such attention; ONNX Runtime checks shapes before it finds that out.</summary>
    [TestMethod]
    public void Prefix_OfIdsInOneLine_HasSoundShapes()
    {
        OnnxModel model = OnnxText.Load("""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            decoder (int64[tokens] input_ids, float16[blocks, 256, 2, 8] keys, float16[blocks, 256, 2, 8] values, int32[ends] ends, int32[b] past, int32[b, m] places) => (float16[tokens, 100] logits)
                <float16[100, 16] table = ["location": "table"], float16[16, 48] wqkv = ["location": "wqkv"], float16[16, 16] wo = ["location": "wo"], float16[16, 100] head = ["location": "head"]>
            {
                x = Gather (table, input_ids)
                qkv = MatMul (x, wqkv)
                q, k, v = Split <axis = -1, num_outputs = 3> (qkv)
                a, key_cache, value_cache = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2> (q, k, v, keys, values, ends, past, places)
                o = MatMul (a, wo)
                y = Add (x, o)
                logits = MatMul (y, head)
            }
            """);
        InjectPrefix(model);
        RandomWeights.Fill(model);
        OnnxRuntimeException error = Assert.ThrowsExactly<OnnxRuntimeException>(() => new InferenceSession(model.ToBytes()));
        Assert.DoesNotContain("ShapeInferenceError", error.Message);
        StringAssert.Contains(error.Message, "PagedAttention");
    }

    [TestMethod]
    public void Prefix_SaysTheFirstReservedIdInTheMetadata()
    {
        OnnxModel model = OnnxText.Load(Before);
        InjectPrefix(model);
        Assert.AreEqual("100", model.Metadata(PrefixInjection.FirstIdKey));
    }

    [TestMethod]
    [DataRow("k", DisplayName = "keys")]
    [DataRow("v", DisplayName = "values")]
    public void Prefix_WhereOneProjectionRoundsWhatItReads_IsRefused(string projected)
    {
        OnnxModel model = OnnxText.Load(Before.With($"{projected} = MatMul (x, w{projected})", $"{projected} = com.microsoft.DynamicQuantizeMatMul (x, bytes, scale)")
            .With("float[8, 8] wq", "int8[8, 8] bytes = [\"location\": \"b\"], float scale = {0.5}, float[8, 8] wq"));
        StringAssert.Contains(Assert.ThrowsExactly<ModelRefusedException>(() => InjectPrefix(model)).What, "round activations by the range of all rows");
    }

    // Three tokens before each of b sequences: ids and mask are [b, 3 + s], and what they give at the first three places is left out before the head.
    [TestMethod]
    public void Concat_PutsTheTokensBeforeEverySequence() => RuleTest.Rewrites(Before, Lead, Led(Before)
        .With("k = MatMul (x, wk)", """
            hidden = Slice (x, {3}, {9223372036854775807}, {1})
            source = Concat <axis = 1> (led, hidden)
            k = MatMul (source, wk)
            """).With("MatMul (x, wv)", "MatMul (source, wv)").WithLists());

    [TestMethod]
    public void Concat_OfProductsOfRows_PutsThemBeforeTheRowsOfEachSequence() => RuleTest.Rewrites(Rows, Lead, Led(Rows)
        .With("kr = Gemm (rows,", """
            apart_shape = Concat <axis = 0> (batch, {-1, 8})
            apart = Reshape (rows, apart_shape)
            hidden = Slice (apart, {3}, {9223372036854775807}, {1})
            joined = Concat <axis = 1> (led, hidden)
            source = Reshape (joined, {-1, 8})
            kr = Gemm (source,
            """).With("MatMul (rows, wv)", "MatMul (source, wv)").WithLists());

    /// <summary>The text with the table of tokens, which row each place selects (chosen) and whether it does (where).</summary>
    private static string WithTable(string text) => text
        .With("int32 total)", "int32 total, float[aligner_rows, 8] \"aligner.prefix\")")
        .With("float[8, 8] wq", "float[1, 8] \"aligner.prefix\" = {-0, -0, -0, -0, -0, -0, -0, -0}, int64 first = {100}, int64 zero = {0}, float[8, 8] wq")
        .With("x = Gather (table, input_ids)", """
            reserved = GreaterOrEqual (input_ids, first)
            number = Sub (input_ids, first)
            row = Where (reserved, number, zero)
            chosen = Gather ("aligner.prefix", row)
            where = Unsqueeze (reserved, {-1})
            ordinary = Where (reserved, zero, input_ids)
            x = Gather (table, ordinary)
            """);

    // A window hides tokens of a prefix as any others, and no value of the graph says how many of the cached keys they are.
    [TestMethod]
    [DataRow("", null, DisplayName = "no window")]
    [DataRow(", local_window_size = -1", null, DisplayName = "none, said so")]
    [DataRow(", local_window_size = 8", "1 of 1 layers have a sliding window (of 8 tokens in layer 0), which hides the tokens of a prefix from what lies further behind: answers are those of the concat adapter only while prefix and sequence together fit in it; gated adapters are never hidden (--slots many-token)", DisplayName = "a window of 8")]
    public void Windows_AreWarnedOf(string attribute, string? warning) =>
        Assert.AreEqual(warning, PrefixWindows.Warning(RecognisedModel.Of(OnnxText.Load(Before.With("kv_num_heads = 2", $"kv_num_heads = 2{attribute}"))).RequireSites()));

    [TestMethod]
    public void TheNarrowestWindow_IsNamed()
    {
        AttentionSite site = RecognisedModel.Of(OnnxText.Load(Before)).RequireSites()[0];
        AttentionSite[] sites = [site, site with { Layer = 1, Scores = ScoreFacts.Plain with { LocalWindow = 9 } }, site with { Layer = 2, Scores = ScoreFacts.Plain with { LocalWindow = 7 } }];
        Assert.StartsWith("2 of 3 layers have a sliding window (of 7 tokens in layer 2)", PrefixWindows.Warning(sites)!);
        Assert.ThrowsExactly<ArgumentNullException>(() => PrefixWindows.Warning(null!));
    }

    /// <summary>The text with three places before each sequence, and the tokens for them (led).</summary>
    private static string Led(string text) => text
        .With("int32 total)", "int32 total, float[3, 8] \"aligner.tokens\")")
        .With("float[8, 8] wq", "int64 zero = {0}, float[8, 8] wq")
        .With("tokens_of_row = ReduceSum <keepdims = 0> (attention_mask,", """
            batch = Shape <start = 0, end = 1> (input_ids)
            front = Concat <axis = 0> (batch, {3})
            zeros = Expand (zero, front)
            ids = Concat <axis = 1> (zeros, input_ids)
            ones = Expand (one, front)
            mask = Concat <axis = 1> (ones, attention_mask)
            tokens3 = Unsqueeze ("aligner.tokens", {0})
            led_shape = Concat <axis = 0> (batch, {3, 8})
            led = Expand (tokens3, led_shape)
            tokens_of_row = ReduceSum <keepdims = 0> (mask,
            """)
        .With("Gather (table, input_ids)", "Gather (table, ids)")
        .With("logits = MatMul (y, head)", "behind = Slice (y, {3}, {9223372036854775807}, {1}) logits = MatMul (behind, head)");

    private static void InjectPrefix(OnnxModel model) => SlotLayouts.Apply(model, RecognisedModel.Of(model).RequireSites(), SlotLayout.Prefix);

    private static void Lead(OnnxModel model) => ConcatTrainingInjection.Apply(model, RecognisedModel.Of(model).RequireSites(), tokenCount: 3);
}
