using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Each lowering, before and after: the texts after are the operators' definitions in elementary operators.</summary>
[TestClass]
public sealed class LoweringRuleTests
{
    internal const string GroupQueryAttention = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x, int32[b] lengths, int32 total) => (float[b, s, 8] logits)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[9, 2] cosines = ["location": "cos"], float[9, 2] sines = ["location": "sin"]>
        {
            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            [core] a = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25, do_rotary = 1> (q, k, v, , , lengths, total, cosines, sines)
            o = MatMul (a, wo)
            logits = Add (x, o)
        }
        """;

    // Rows of attention_mask number their sequences: a query sees a key of the same number that does not come later; positions count from the first key of the same number.
    internal const string GroupQueryAttentionLowered = """
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x, int32[b] lengths, int32 total) => (float[b, s, 8] logits)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             float[9, 2] cosines = ["location": "cos"], float[9, 2] sines = ["location": "sin"],
             int64 i0 = {0}, int64 i1 = {1}, int64[1] a0 = {0}, int64[1] a1 = {1}, int64[1] a2 = {2}, float zero = {0}, float lowest = {-3.4028235e38},
             int64[5] heads_of_group = {0, 0, 1, 2, 4}, int64[4] stacked = {0, 0, -1, 4}, int64[4] heads = {0, 0, 1, 4}, int64[4] unstacked = {0, 2, -1, 0},
             int64[4] restacked = {0, 1, -1, 0}, int64[5] by_head = {0, 0, 2, -1, 4}, int64[3] flat = {0, 0, 8}>
        {
            shape = Shape (input_ids)
            length = Gather (shape, i1)
            places = Range (i0, length, i1)
            of_query = Unsqueeze (attention_mask, a2)
            of_key = Unsqueeze (attention_mask, a1)
            same = Equal (of_key, of_query)
            same_number = Cast <to = 6> (same)
            first = ArgMax <axis = -1, keepdims = 0> (same_number)
            positions = Sub (places, first)
            keys_at = Unsqueeze (places, a0)
            queries_at = Unsqueeze (places, a1)
            visible = LessOrEqual (keys_at, queries_at)
            allowed = And (same, visible)
            mask = Where (allowed, zero, lowest)
            mask4 = Unsqueeze (mask, a1)

            q = MatMul (x, wq)
            k = MatMul (x, wk)
            v = MatMul (x, wv)
            rq = com.microsoft.RotaryEmbedding (q, positions, cosines, sines)
            rk = com.microsoft.RotaryEmbedding (k, positions, cosines, sines)
            q5 = Reshape (rq, heads_of_group)
            q5t = Transpose <perm = [0, 2, 3, 1, 4]> (q5)
            queries = Reshape (q5t, stacked)
            k4 = Reshape (rk, heads)
            keys = Transpose <perm = [0, 2, 1, 3]> (k4)
            v4 = Reshape (v, heads)
            values = Transpose <perm = [0, 2, 1, 3]> (v4)
            scores = com.microsoft.FusedMatMul <transB = 1, alpha = 0.25> (queries, keys)
            scores_ = Reshape (scores, unstacked)
            masked = Add (scores_, mask4)
            probabilities = Softmax (masked)
            probabilities4 = Reshape (probabilities, restacked)
            mixed = MatMul (probabilities4, values)
            mixed5 = Reshape (mixed, by_head)
            ordered = Transpose <perm = [0, 3, 1, 2, 4]> (mixed5)
            a = Reshape (ordered, flat)
            o = MatMul (a, wo)
            logits = Add (x, o)
        }
        """;

    [TestMethod]
    public void TokensOf32Bits_ComeInAs64() => RuleTest.Rewrites("""
        <ir_version: 10, opset_import: ["" : 21]>
        decoder (int32[b, s] input_ids, int32[b, s] attention_mask) => (float[b, s, 8] logits, int32[b, s] visible) <float[9, 8] table = ["location": "table"]>
        {
            logits = Gather (table, input_ids)
            visible = Neg (attention_mask)
        }
        """, model => TokenInputLowering.Apply(model.Graph), """
        <ir_version: 10, opset_import: ["" : 21]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask) => (float[b, s, 8] logits, int32[b, s] visible) <float[9, 8] table = ["location": "table"]>
        {
            ids = Cast <to = 6> (input_ids)
            logits = Gather (table, ids)
            mask = Cast <to = 6> (attention_mask)
            visible = Neg (mask)
        }
        """);

    [TestMethod]
    public void GroupQueryAttention_BecomesSoftmaxOverTheSequence() => RuleTest.Rewrites(GroupQueryAttention, LowerDecoder, GroupQueryAttentionLowered);

    // Of a window of 16, a query at i sees keys later than i - 16.
    [TestMethod]
    public void GroupQueryAttention_WithAWindow_HidesEarlierKeys() => RuleTest.Rewrites(
        GroupQueryAttention.With("scale = 0.25", "scale = 0.25, local_window_size = 16"), LowerDecoder,
        GroupQueryAttentionLowered.With("int64 i1 = {1}", "int64 i1 = {1}, int64 i16 = {16}")
            .With("allowed = And (same, visible)", "bound = Sub (queries_at, i16) near = Greater (keys_at, bound) both = And (visible, near) allowed = And (same, both)"));

    // cap * tanh(score / cap), before the mask.
    [TestMethod]
    public void GroupQueryAttention_WithASoftCap_BoundsTheScores() => RuleTest.Rewrites(
        GroupQueryAttention.With("scale = 0.25", "scale = 0.25, softcap = 32.0"), LowerDecoder,
        GroupQueryAttentionLowered.With("float zero = {0}", "float zero = {0}, float cap = {32}, float per_cap = {0.03125}")
            .With("masked = Add (scores_, mask4)", "small = Mul (scores_, per_cap) bent = Tanh (small) capped = Mul (bent, cap) masked = Add (capped, mask4)"));

    [TestMethod]
    public void GroupQueryAttention_OfPackedHeads_SplitsThem() => RuleTest.Rewrites(
        GroupQueryAttention.With("q = MatMul (x, wq)", "packed = MatMul (x, w)").With("k = MatMul (x, wk)", "").With("v = MatMul (x, wv)", "").With("(q, k, v,", "(packed, , ,")
            .With("<float[8, 8] wq", "<float[8, 16] w = [\"location\": \"w\"], float[8, 8] wq"),
        LowerDecoder,
        GroupQueryAttentionLowered.With("q = MatMul (x, wq)", "packed = MatMul (x, w) q, k, v = Split <axis = 2> (packed, sizes)").With("k = MatMul (x, wk)", "").With("v = MatMul (x, wv)", "")
            .With("<float[8, 8] wq", "<int64[3] sizes = {8, 4, 4}, float[8, 16] w = [\"location\": \"w\"], float[8, 8] wq"));

    [TestMethod]
    public void GroupQueryAttention_ThatNormalisesInside_NormalisesEachHead() => RuleTest.Rewrites(
        GroupQueryAttention.With("scale = 0.25", "scale = 0.25, qk_norm_epsilon = 0.5").With("cosines, sines)", "cosines, sines, , , , , , nq, nk)")
            .With("<float[8, 8] wq", "<float[4] nq = {1, 2, 3, 4}, float[4] nk = {4, 3, 2, 1}, float[8, 8] wq"),
        LowerDecoder,
        GroupQueryAttentionLowered.With("rq = ", "q4 = Reshape (q, apart) qn = SimplifiedLayerNormalization <epsilon = 0.5> (q4, nq) q_ = Reshape (qn, flat) rq = ").With("(q, positions", "(q_, positions")
            .With("rk = ", "k4_ = Reshape (k, heads) kn = SimplifiedLayerNormalization <epsilon = 0.5> (k4_, nk) k_ = Reshape (kn, flat_k) rk = ").With("(k, positions", "(k_, positions")
            .With("<float[8, 8] wq", "<int64[4] apart = {0, 0, 2, 4}, int64[3] flat_k = {0, 0, 4}, float[4] nq = {1, 2, 3, 4}, float[4] nk = {4, 3, 2, 1}, float[8, 8] wq"));

    [TestMethod]
    public void GroupQueryAttention_WithASink_CutsItsShareOff() => RuleTest.Rewrites(
        GroupQueryAttention.With("cosines, sines)", "cosines, sines, , , heads_sinks)").With("<float[8, 8] wq", "<float[2] heads_sinks = {1, 2}, float[8, 8] wq"),
        LowerDecoder,
        GroupQueryAttentionLowered.With("<float[8, 8] wq", "<float[2] heads_sinks = {1, 2}, int64[4] of_heads = {1, 2, 1, 1}, int64[1] last = {-1}, float[8, 8] wq")
            .With("probabilities = Softmax (masked)", """
                sinks = Reshape (heads_sinks, of_heads) rows = Shape <start = 0, end = -1> (masked) column_shape = Concat <axis = 0> (rows, a1) column = Expand (sinks, column_shape)
                joined = Concat <axis = -1> (masked, column) shares = Softmax (joined) probabilities = Slice (shares, a0, last, last)
                """));

    [TestMethod]
    public void GroupQueryAttention_WithAComputedBias_AddsIt() => RuleTest.Rewrites(
        GroupQueryAttention.With("cosines, sines)", "cosines, sines, , bias)").With("[core]", "bias = Neg (slopes) [core]").With("<float[8, 8] wq", "<float[1, 2, 1, 1] slopes = {1, 2}, float[8, 8] wq"),
        LowerDecoder,
        GroupQueryAttentionLowered.With("<float[8, 8] wq", "<float[1, 2, 1, 1] slopes = {1, 2}, float[8, 8] wq")
            .With("masked = Add (scores_, mask4)", "bias = Neg (slopes) biased = Add (scores_, bias) masked = Add (biased, mask4)"));

    [TestMethod]
    [DataRow("cosines, sines)", "cosines, sines, , , , , , nq, nk)", "Layer 0 cannot be trained: queries are normalised over all heads inside the operator")]
    [DataRow("int64[b, s] attention_mask, ", "", "The model lacks an input that training needs")]
    public void WhatHasNoLowering_IsRefused(string part, string replacement, string reason)
    {
        string text = GroupQueryAttention.With("<float[8, 8] wq", "<float[8] nq = {1, 2, 3, 4, 5, 6, 7, 8}, float[4] nk = {4, 3, 2, 1}, float[8, 8] wq").With(part, replacement);
        Assert.AreEqual(reason, Assert.ThrowsExactly<ModelRefusedException>(() => LowerDecoder(OnnxText.Load(text))).What);
    }

    [TestMethod]
    public void MatMulNBits_ComputesInFloat32() => RuleTest.Rewrites(Quantised("accuracy_level = 4"), LowerDecoder, Quantised("accuracy_level = 1"));

    [TestMethod]
    public void SkipSimplifiedLayerNormalization_BecomesSumAndNormalization() => RuleTest.Rewrites(
        """
        g (float[b, s, 2] x, float[b, s, 2] skip) => (float[b, s, 2] y, float[b, s, 2] sum) <float[2] w = {1, 2}, float[2] bias = {3, 4}>
        { n, , , sum_ = com.microsoft.SkipSimplifiedLayerNormalization <epsilon = 0.1> (x, skip, w, bias) y = Neg (n) sum = Neg (sum_) }
        """,
        model => NormalizationLowering.Apply(model.Graph),
        """
        g (float[b, s, 2] x, float[b, s, 2] skip) => (float[b, s, 2] y, float[b, s, 2] sum) <float[2] w = {1, 2}, float[2] bias = {3, 4}>
        { t = Add (x, skip) sum_ = Add (t, bias) n = SimplifiedLayerNormalization <epsilon = 0.1> (sum_, w) y = Neg (n) sum = Neg (sum_) }
        """);

    // The bias is added before the mean and the variance are taken, beta after.
    [TestMethod]
    [DataRow("(x, skip, w)", "t = Add (x, skip)", "(t, w)", DisplayName = "without beta and bias")]
    [DataRow("(x, skip, w, beta)", "t = Add (x, skip)", "(t, w, beta)", DisplayName = "with beta")]
    [DataRow("(x, skip, w, beta, bias)", "s = Add (x, skip) t = Add (s, bias)", "(t, w, beta)", DisplayName = "with beta and bias")]
    public void SkipLayerNormalization_BecomesSumAndNormalization(string inputs, string sum, string normalised)
    {
        const string graph = "g (float[b, s, 2] x, float[b, s, 2] skip) => (float[b, s, 2] y) <float[2] w = {1, 2}, float[2] beta = {5, 6}, float[2] bias = {3, 4}>";
        RuleTest.Rewrites(
            $"{graph} {{ n = com.microsoft.SkipLayerNormalization <epsilon = 0.1> {inputs} y = Neg (n) }}",
            model => NormalizationLowering.Apply(model.Graph),
            $"{graph} {{ {sum} n = LayerNormalization <axis = -1, epsilon = 0.1, stash_type = 1> {normalised} y = Neg (n) }}");
    }

    [TestMethod]
    public void RMSNormalization_BecomesSimplifiedLayerNormalization() => RuleTest.Rewrites(
        "g (float[b, s, 2] x) => (float[b, s, 2] y) <float[2] w = {1, 2}> { n = RMSNormalization (x, w) y = Neg (n) }",
        model => NormalizationLowering.Apply(model.Graph),
        "g (float[b, s, 2] x) => (float[b, s, 2] y) <float[2] w = {1, 2}> { n = SimplifiedLayerNormalization <epsilon = 0.00001> (x, w) y = Neg (n) }");

    [TestMethod]
    [DataRow("square = Pow (x, two) mean = ReduceMean (square, last) sum = Add (mean, eps) root = Sqrt (sum) scale = Reciprocal (root) n = Mul (x, scale) m = Mul (w, n)", DisplayName = "Reciprocal")]
    [DataRow("square = Pow (x, two) mean = ReduceMean (square, last) sum = Add (mean, eps) root = Sqrt (sum) scale = Div (one, root) n = Mul (x, scale) m = Mul (n, w)", DisplayName = "1 / root")]
    [DataRow("square = Mul (x, x) mean = ReduceMean (square, last) sum = Add (mean, eps) root = Sqrt (sum) n = Div (x, root) m = Mul (w, n)", DisplayName = "x / root")]
    public void ADecomposedNormalization_BecomesOneOperator(string nodes) => RuleTest.Rewrites(
        $"g (float[b, s, 2] x) => (float[b, s, 2] y) <float[2] w = {{1, 2}}, float two = {{2}}, float one = {{1}}, float eps = {{0.1}}, int64[1] last = {{-1}}> {{ {nodes} y = Neg (m) }}",
        model => NormalizationLowering.Apply(model.Graph),
        "g (float[b, s, 2] x) => (float[b, s, 2] y) <float[2] w = {1, 2}> { m = SimplifiedLayerNormalization <epsilon = 0.1> (x, w) y = Neg (m) }");

    [TestMethod]
    public void ASigmoidTimesItsInput_BecomesQuickGelu() => RuleTest.Rewrites(
        "g (float[2] x) => (float[2] y) { s = Sigmoid (x) m = Mul (s, x) y = Neg (m) }",
        model => ActivationLowering.Apply(model.Graph),
        "g (float[2] x) => (float[2] y) { m = com.microsoft.QuickGelu <alpha = 1.0> (x) y = Neg (m) }");

    // x * sigmoid(alpha x), in both.
    [TestMethod]
    [DataRow("", "1.0", DisplayName = "alpha of 1, where none is given")]
    [DataRow("<alpha = 1.5>", "1.5", DisplayName = "another alpha")]
    public void Swish_BecomesQuickGelu(string attributes, string alpha) => RuleTest.Rewrites(
        $"g (float[2] x) => (float[2] y) {{ m = Swish {attributes} (x) y = Neg (m) }}",
        model => ActivationLowering.Apply(model.Graph),
        $"g (float[2] x) => (float[2] y) {{ m = com.microsoft.QuickGelu <alpha = {alpha}> (x) y = Neg (m) }}");

    // Recognition counts the readers of a value; what is left behind would be one.
    [TestMethod]
    [DataRow("m = Swish (x)")]
    [DataRow("s = Sigmoid (x) m = Mul (s, x)")]
    [DataRow("m = RMSNormalization (x, w)")]
    [DataRow("m = ReduceMean <axes = [0]> (x)")]
    public void WhatIsReplaced_ReadsNothingAnyMore(string nodes)
    {
        OnnxModel model = OnnxText.Load($"g (float[2] x) => (float[2] y) <float[2] w = {{1, 2}}> {{ {nodes} y = Neg (m) }}");
        OpsetLowering.Apply(model, 21);
        NormalizationLowering.Apply(model.Graph);
        ActivationLowering.Apply(model.Graph);
        Assert.HasCount(2, model.Graph.Nodes);
        Assert.HasCount(1, model.Graph.Find("x")!.Uses);
    }

    [TestMethod]
    [DataRow("s = Sigmoid (x) m = Mul (s, w) y = Neg (m)", DisplayName = "times another value")]
    [DataRow("s = Sigmoid (x) m = Mul (s, x) t = Add (m, s) y = Neg (t)", DisplayName = "a sigmoid that is read twice")]
    public void ASigmoidOfAnotherKind_Stays(string nodes)
    {
        string text = $"g (float[2] x, float[2] w) => (float[2] y) {{ {nodes} }}";
        RuleTest.Rewrites(text, model => ActivationLowering.Apply(model.Graph), text);
    }

    [TestMethod]
    public void CacheAndPositions_AreReplacedByAnEmptyCacheAndThoseOfTheSequence() => RuleTest.Rewrites(
        """
        g (int64[b, s] input_ids, int64[b, s] attention_mask, int64[b, s] position_ids, float[b, 2, past, 4] past, float[b, s, 8] x) => (float[] y, int64[] z) <int64[4] shape = {0, 0, 2, 4}>
        { x4 = Reshape (x, shape) new = Transpose <perm = [0, 2, 1, 3]> (x4) y = Concat <axis = 2> (past, new) z = Neg (position_ids) }
        """,
        model => CacheLowering.Apply(model.Graph, model.Graph.Find("input_ids")!, new SequenceFacts(model.Graph, model.Graph.Find("input_ids")!, model.Graph.Find("attention_mask")!)),
        """
        g (int64[b, s] input_ids, int64[b, s] attention_mask, int64[b, s] position_ids, float[b, 2, past, 4] past, float[b, s, 8] x) => (float[] y, int64[] z)
            <int64[4] shape = {0, 0, 2, 4}, int64[3] rest = {2, 0, 4}, int64 i0 = {0}, int64 i1 = {1}, int64[1] a1 = {1}, int64[1] a2 = {2}>
        {
            rows = Shape <start = 0, end = 1> (input_ids)
            empty_shape = Concat <axis = 0> (rows, rest)
            empty = ConstantOfShape (empty_shape)
            x4 = Reshape (x, shape)
            new = Transpose <perm = [0, 2, 1, 3]> (x4)
            y = Concat <axis = 2> (empty, new)
            whole = Shape (input_ids)
            length = Gather (whole, i1)
            places = Range (i0, length, i1)
            of_key = Unsqueeze (attention_mask, a1)
            of_query = Unsqueeze (attention_mask, a2)
            same = Equal (of_key, of_query)
            same_number = Cast <to = 6> (same)
            first = ArgMax <axis = -1, keepdims = 0> (same_number)
            positions = Sub (places, first)
            z = Neg (positions)
        }
        """);

    [TestMethod]
    public void OperatorsOfAnOldOpset_GetTheirAxesAsInputs()
    {
        OnnxModel model = OnnxText.Load("""
            <ir_version: 7, opset_import: ["" : 13]>
            g (float[2, 4] x) => (float[2, 1] y, float[2, 2] z) { m = ReduceMean <axes = [-1], keepdims = 1> (x) y = Neg (m) z, rest = Split <axis = 1> (x) }
            """);
        OpsetLowering.Apply(model, 21);
        Assert.AreEqual(21, model.Opset());
        RuleTest.AssertSame(OnnxText.Load("""
            g (float[2, 4] x) => (float[2, 1] y, float[2, 2] z) <int64[1] last = {-1}> { m = ReduceMean (x, last) y = Neg (m) z, rest = Split <axis = 1, num_outputs = 2> (x) }
            """), model);
    }

    // 15872 are the bits of 1.5 in float16; a matrix of more than 2^20 elements stays as it is stored.
    [TestMethod]
    public void AHalfPrecisionGraph_ComputesInFloat32() => RuleTest.Rewrites(
        """
        g (int64[b, s] ids, float16[b, s, 2048] x) => (float16[b, s, 1024] y, float16[b, s, 1024] z)
            <float16[2048, 1024] w = ["location": "w"], float16[2048, 1024] table = ["location": "t"], float16 k = {15872}>
        { p = MatMul (x, w) y = Mul (p, k) rows = Gather (table, ids) same = Cast <to = 10> (rows) c = Constant <value = float16[1] {15872}> () z = Mul (same, c) }
        """,
        model => PrecisionLowering.Apply(model.Graph),
        """
        g (int64[b, s] ids, float[b, s, 2048] x) => (float[b, s, 1024] y, float[b, s, 1024] z)
            <float16[2048, 1024] w = ["location": "w"], float16[2048, 1024] table = ["location": "t"], float k = {1.5}>
        {
            w32 = Cast <to = 1> (w)
            p = MatMul (x, w32)
            y = Mul (p, k)
            rows = Gather (table, ids)
            rows32 = Cast <to = 1> (rows)
            same = Cast <to = 1> (rows32)
            c = Constant <value = float[1] {1.5}> ()
            z = Mul (same, c)
        }
        """);

    // A table that is the head's weight too: its rows are cast once they are picked, the weight before it is multiplied with.
    [TestMethod]
    public void ATableOfHalfPrecisionThatTheHeadShares_IsCastInBothPlaces() => RuleTest.Rewrites(
        """
        g (int64[b, s] ids) => (float16[b, s, 2048] y) <float16[2048, 1024] table = ["location": "t"]>
        { rows = Gather (table, ids) w = Transpose <perm = [1, 0]> (table) y = MatMul (rows, w) }
        """,
        model => PrecisionLowering.Apply(model.Graph),
        """
        g (int64[b, s] ids) => (float[b, s, 2048] y) <float16[2048, 1024] table = ["location": "t"]>
        { rows = Gather (table, ids) rows32 = Cast <to = 1> (rows) table32 = Cast <to = 1> (table) w = Transpose <perm = [1, 0]> (table32) y = MatMul (rows32, w) }
        """);

    [TestMethod]
    [DataRow(1 << 20, true)]
    [DataRow((1 << 20) + 1, false)]
    public void AConstantOfHalfPrecision_IsStoredConvertedUpToAMillionElements(int elements, bool converted)
    {
        OnnxModel model = OnnxText.Load($"g (float16[{elements}] x) => (float16[{elements}] y) {{ y = Neg (x) }}");
        Value constant = model.Graph.AddInitializer(Tensor.Inline("k", Onnx.TensorProto.Types.DataType.Float16, new byte[2 * elements], elements));
        Node sum = model.Graph.AddNode("Add", Domains.Standard, "", [model.Graph.Find("x"), constant], ["sum"]);
        PrecisionLowering.Apply(model.Graph);
        Assert.AreEqual(converted, sum.Input(1)!.IsConstant);
        Assert.AreEqual(converted, sum.Input(1)!.Producer is null);
    }

    [TestMethod]
    public void ACastToAnotherTypeThanHalfPrecision_Stays()
    {
        const string text = "g (float[2] x) => (int64[2] y) { y = Cast <to = 7> (x) }";
        RuleTest.Rewrites(text, model => PrecisionLowering.Apply(model.Graph), text);
    }

    private static string Quantised(string accuracy) => $$"""
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        g (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, s, 8] x) => (float[b, s, 8] logits) <uint8[4, 1, 8] w = ["location": "w"], float[4] scales = ["location": "s"]>
        { logits = com.microsoft.MatMulNBits <N = 4, K = 8, bits = 4, block_size = 16, {{accuracy}}> (x, w, scales) }
        """;

    private static void LowerDecoder(OnnxModel model) => DecoderLowering.Apply(model, [.. RecognisedModel.Of(model).Cores.Select(core => core.Match.Found!)]);
}
