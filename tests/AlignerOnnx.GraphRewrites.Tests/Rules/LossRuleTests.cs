using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>The losses, before and after: each is made of log softmax(logits_i)[id_i], and its gradient is weight_i (softmax(logits_i) - one-hot(id_i)) with the weights -dloss / dlog-probability.</summary>
[TestClass]
public sealed class LossRuleTests
{
    private const string Decoder = """
        g (float[b, s, 4] x) => (float[b, s, 5] logits) <float[4, 5] w = ["location": "w"], float two = {2}> { h = Neg (x) m = MatMul (h, w) logits = Mul (m, two) }
        """;

    private const string QuantisedDecoder = """
        g (float[b, s, 32] x) => (float[b, s, 5] logits) <uint8[5, 1, 16] e = ["location": "e"], float[5, 1] s = ["location": "s"]>
            { logits = com.microsoft.MatMulNBits <N = 5, K = 32, bits = 4, block_size = 32> (x, e, s) }
        """;

    // Three rows and two of 16 bytes of elements and 4 of scales; as they are multiplied and as they are de-quantised.
    private const string PiecesOfWeights = """
        uint8[5, 16] e_rows = ["location": "e"], float[5, 1] s = ["location": "s"],
        uint8[3, 1, 16] e1 = ["location": "e", "offset": "0", "length": "48"], float[3, 1] s1 = ["location": "s", "offset": "0", "length": "12"], uint8[3, 16] e1_rows = ["location": "e", "offset": "0", "length": "48"],
        uint8[2, 1, 16] e2 = ["location": "e", "offset": "48", "length": "32"], float[2, 1] s2 = ["location": "s", "offset": "12", "length": "8"], uint8[2, 16] e2_rows = ["location": "e", "offset": "48", "length": "32"],
        int64[3] rows1 = {0, 1, 2}, int64[2] rows2 = {0, 1}, int64[2] flat_shape = {-1, 32}, int64[1] last = {-1}, int64[1] a0 = {0}, int64[1] a1 = {1}
        """;

    private const string Kept = "flat = Reshape (x, flat_shape) kept = Gather (flat, target_positions)";

    private const string BothPieces = """
        difference = Sub (log_sum2, log_sum1)
        more = Softplus (difference)
        log_sum = Add (log_sum1, more)
        target_rows = com.microsoft.GatherBlockQuantized <gather_axis = 0, quantize_axis = 1, block_size = 32, bits = 4> (e_rows, target_ids, s)
        products = Mul (kept, target_rows)
        target_logits = ReduceSum (products, a1)
        log_p = Sub (target_logits, log_sum)
        target_log_probabilities = Squeeze (log_p, a1)
        weighted = Mul (target_log_probabilities, target_weights)
        sum = ReduceSum <keepdims = 0> (weighted, a0)
        loss = Neg (sum)
        """;

    private static readonly TrainingGraphOptions InPieces = new() { VocabularyPiece = 3 };

    [TestMethod]
    public void CrossEntropy_TakesLogitsOfTheTargetsAlone() => RuleTest.Rewrites(Decoder,
        model => Attach(model, CrossEntropyLoss.Attach),
        """
        g (float[b, s, 4] x, int64[targets] target_positions, int64[targets] target_ids, float[targets] target_weights) => (float loss, float[targets] target_log_probabilities, float[] gradient)
            <float[4, 5] w = ["location": "w"], float two = {2}, int64[2] rows = {-1, 4}, int64[1] a0 = {0}, int64[1] a1 = {1}>
        {
            h = Neg (x)
            flat = Reshape (h, rows)
            kept = Gather (flat, target_positions)
            m = MatMul (kept, w)
            logits = Mul (m, two)
            log_p = LogSoftmax (logits)
            ids = Unsqueeze (target_ids, a1)
            picked = GatherElements <axis = 1> (log_p, ids)
            target_log_probabilities = Squeeze (picked, a1)
            weighted = Mul (target_log_probabilities, target_weights)
            sum = ReduceSum <keepdims = 0> (weighted, a0)
            loss = Neg (sum)
            p = Exp (log_p)
            column = Unsqueeze (target_weights, a1)
            weighted_p = Mul (p, column)
            negative = Neg (column)
            gradient_ = ScatterElements <axis = 1, reduction = "add"> (weighted_p, ids, negative)
            gradient = Identity (gradient_)
        }
        """);

    /// <summary>Per pair: softplus(-margin), margin = beta (log-ratio of the preferred answer - log-ratio of the other); its derivative by the margin is sigmoid(margin) - 1.</summary>
    [TestMethod]
    public void Preference_SumsSequencesAndComparesThemWithTheReference() => RuleTest.Rewrites(Decoder,
        model => Attach(model, targets => PreferenceLoss.Attach(targets, new PreferenceLossOptions { Beta = 0.25 })), Preference("""
            right_ = Neg (margins)
            losses = Softplus (right_)
            """, """
            p_wrong = Sigmoid (margins)
            slope = Sub (p_wrong, one)
            """, "float one = {1}"));

    /// <summary>A part of the pairs is taken to be the wrong way round: (1 - e) softplus(-margin) + e softplus(margin).</summary>
    [TestMethod]
    public void Preference_WithLabelSmoothing_AlsoCountsTheOtherOrder() => RuleTest.Rewrites(Decoder,
        model => Attach(model, targets => PreferenceLoss.Attach(targets, new PreferenceLossOptions { Beta = 0.25, LabelSmoothing = 0.25 })), Preference("""
            right_ = Neg (margins)
            right = Softplus (right_)
            right_part = Mul (right, most)
            wrong = Softplus (margins)
            wrong_part = Mul (wrong, beta)
            losses = Add (right_part, wrong_part)
            """, """
            p_wrong = Sigmoid (margins)
            slope = Sub (p_wrong, most)
            """, "float most = {0.75}"));

    /// <summary>((margin - 1/2) / beta)^2 = (log-ratio margin - 1 / (2 beta))^2.</summary>
    [TestMethod]
    public void Preference_OfIdentityPreference_IsASquareOfTheDistanceToItsTarget() => RuleTest.Rewrites(Decoder,
        model => Attach(model, targets => PreferenceLoss.Attach(targets, new PreferenceLossOptions { Kind = PreferenceLossKind.Ipo, Beta = 0.25 })), Preference("""
            past = Sub (margins, a_half)
            distance = Mul (past, inverse)
            losses = Mul (distance, distance)
            """, """
            past_ = Sub (margins, a_half)
            distance_ = Mul (past_, inverse)
            slope = Mul (distance_, twice_inverse)
            """, "float inverse = {4}, float twice_inverse = {8}"));

    /// <summary>
    /// Five words in pieces of three: log(sum e^l) of both is that of the first + softplus(difference), the mean row of both that of the first, moved towards the second by its share,
    /// sigmoid(difference). The gradient of the hidden state is weight (mean row - row of the target). The second piece starts when the first is done.
    /// </summary>
    [TestMethod]
    public void ALargeQuantisedHead_IsComputedOnePieceOfTheVocabularyAfterTheOther() => RuleTest.Rewrites(QuantisedDecoder,
        model => Attach(model, CrossEntropyLoss.Attach, InPieces),
        $$"""
        g (float[b, s, 32] x, int64[targets] target_positions, int64[targets] target_ids, float[targets] target_weights) => (float loss, float[targets] target_log_probabilities, float[] gradient)
            <{{PiecesOfWeights}}>
        {
            {{Kept}}
            {{Piece(1, "kept", 3)}}
            {{MeanRow(1)}}
            done = Shape <start = 0, end = 0> (mean1)
            then = Expand (kept, done)
            {{Piece(2, "then", 2)}}
            {{MeanRow(2)}}
            {{BothPieces}}
            gap = Sub (mean2, mean1)
            share = Sigmoid (difference)
            way = Mul (gap, share)
            mean = Add (mean1, way)
            from_target = Sub (mean, target_rows)
            column = Unsqueeze (target_weights, a1)
            gradient_ = Mul (from_target, column)
            gradient = Identity (gradient_)
        }
        """);

    [TestMethod]
    public void ALargeQuantisedHead_ThatIsNotDifferentiated_HasNoMeanRow() => RuleTest.Rewrites(QuantisedDecoder,
        model =>
        {
            TargetLogProbabilities targets = TargetLogProbabilities.Attach(model, InPieces, differentiated: false);
            model.Graph.AddOutput(CrossEntropyLoss.Attach(targets).Outputs.Single().Value, Shapes.Declare(DataType.Float));
            model.Graph.AddOutput(targets.Values, Shapes.Declare(DataType.Float, "targets"));
        },
        $$"""
        g (float[b, s, 32] x, int64[targets] target_positions, int64[targets] target_ids, float[targets] target_weights) => (float loss, float[targets] target_log_probabilities)
            <{{PiecesOfWeights}}>
        {
            {{Kept}}
            {{Piece(1, "kept", 3)}}
            done = Shape <start = 0, end = 0> (log_sum1)
            then = Expand (kept, done)
            {{Piece(2, "then", 2)}}
            {{BothPieces}}
        }
        """);

    [TestMethod]
    [DataRow("logits", "y", "The model has no logits")]
    [DataRow("MatMul (h, w)", "Neg (h)", "The output head is not a projection")]
    public void AModelWithoutAHead_IsRefused(string part, string replacement, string reason) =>
        Assert.AreEqual(reason, Assert.ThrowsExactly<ModelRefusedException>(() => TargetLogProbabilities.Attach(OnnxText.Load(Decoder.With(part, replacement)), new TrainingGraphOptions(), differentiated: true)).What);

    [TestMethod]
    [DataRow(0, 0)]
    [DataRow(-0.1, 0)]
    [DataRow(0.1, -0.1)]
    [DataRow(0.1, 0.6)]
    public void APreferenceLossOutOfRange_IsRefused(double beta, double smoothing)
    {
        TargetLogProbabilities targets = TargetLogProbabilities.Attach(OnnxText.Load(Decoder), new TrainingGraphOptions(), differentiated: true);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => PreferenceLoss.Attach(targets, new PreferenceLossOptions { Beta = beta, LabelSmoothing = smoothing }));
    }

    /// <summary>From the head on, a value has one row a target; what stood declared for all positions would be refused by some runtimes. What is not declared stays so.</summary>
    [TestMethod]
    [DataRow("float[b, s, 5] m, ", "targets,5")]
    [DataRow("", null)]
    public void ValuesBehindTheHead_AreDeclaredAnew(string declaration, string? expected)
    {
        OnnxModel model = OnnxText.Load(Decoder.With("float two", $"{declaration}float[b, s, 4] h, float two"));
        TargetLogProbabilities.Attach(model, new TrainingGraphOptions(), differentiated: true);
        Assert.AreEqual(expected, Declared("m"));
        Assert.AreEqual("targets,5", Declared("logits"));
        Assert.AreEqual("b,s,4", Declared("h"));

        string? Declared(string name) => model.Graph.Find(name)!.Type is { } type
            ? string.Join(',', type.TensorType.Shape.Dim.Select(dimension => dimension.HasDimParam ? dimension.DimParam : $"{dimension.DimValue}"))
            : null;
    }

    private static void Attach(OnnxModel model, Func<TargetLogProbabilities, ITrainingLoss> attach, TrainingGraphOptions? options = null)
    {
        TargetLogProbabilities targets = TargetLogProbabilities.Attach(model, options ?? new TrainingGraphOptions(), differentiated: true);
        ITrainingLoss loss = attach(targets);
        foreach ((Value value, TypeProto type) in loss.Outputs)
        {
            model.Graph.AddOutput(value, type);
        }
        model.Graph.AddOutput(targets.Values, Shapes.Declare(DataType.Float, "targets"));
        TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
        model.Graph.AddOutput(model.Graph.AddNode("Identity", "", "", [targets.OriginGradient(loss.TargetWeights)], ["gradient"]).Output, any);
    }

    /// <summary>log(sum e^l) = largest l - log(largest probability).</summary>
    private static string Piece(int number, string hidden, int words) => $"""
        logits{number} = com.microsoft.MatMulNBits <N = {words}, K = 32, bits = 4, block_size = 32> ({hidden}, e{number}, s{number})
        p{number} = Softmax (logits{number})
        largest{number} = ReduceMax <keepdims = 1> (logits{number}, last)
        likeliest{number} = ReduceMax <keepdims = 1> (p{number}, last)
        log_likeliest{number} = Log (likeliest{number})
        log_sum{number} = Sub (largest{number}, log_likeliest{number})
        """;

    /// <summary>The mean of the weight's rows under the softmax.</summary>
    private static string MeanRow(int number) => $"""
        held{number} = Shape <start = 0, end = 0> (p{number})
        late{number} = Expand (s{number}, held{number})
        w{number} = com.microsoft.GatherBlockQuantized <gather_axis = 0, quantize_axis = 1, block_size = 32, bits = 4> (e{number}_rows, rows{number}, late{number})
        mean{number} = MatMul (p{number}, w{number})
        """;

    private static string Preference(string losses, string slope, string constants) => $$"""
        g (float[b, s, 4] x, int64[targets] target_positions, int64[targets] target_ids, float[targets] target_weights, int64[targets] target_sequences, float[targets] sequence_weights,
           float[sequences] reference_log_probabilities, float[pairs] pair_weights, float[targets] kept_log_probabilities, float[targets] kept_weights) => (float loss, float[sequences] rewards, float[targets] target_log_probabilities, float[] gradient)
            <float[4, 5] w = ["location": "w"], float two = {2}, int64[2] rows = {-1, 4}, int64[1] a0 = {0}, int64[1] a1 = {1}, float beta = {0.25}, int64[2] two_columns = {-1, 2},
             int64[2] sizes = {1, 1}, int64[1] flat_shape = {-1}, int64[2] one_column = {-1, 1}, float a_half = {0.5}, {{constants}}>
        {
            h = Neg (x)
            flat = Reshape (h, rows)
            kept = Gather (flat, target_positions)
            m = MatMul (kept, w)
            logits = Mul (m, two)
            log_p = LogSoftmax (logits)
            ids = Unsqueeze (target_ids, a1)
            picked = GatherElements <axis = 1> (log_p, ids)
            target_log_probabilities = Squeeze (picked, a1)
            minus_reference = Neg (reference_log_probabilities)
            shares = Mul (target_log_probabilities, sequence_weights)
            log_ratios = ScatterElements <axis = 0, reduction = "add"> (minus_reference, target_sequences, shares)
            rewards = Mul (log_ratios, beta)
            pairs_ = Reshape (rewards, two_columns)
            chosen, rejected = Split <axis = 1> (pairs_, sizes)
            difference = Sub (chosen, rejected)
            margins = Reshape (difference, flat_shape)
            {{losses}}
            weighted_losses = Mul (losses, pair_weights)
            preference = ReduceSum <keepdims = 0> (weighted_losses, a0)
            weighted = Mul (target_log_probabilities, target_weights)
            sum = ReduceSum <keepdims = 0> (weighted, a0)
            moved = Sub (target_log_probabilities, kept_log_probabilities)
            pull = Mul (moved, kept_weights)
            squares = Mul (pull, moved)
            square = ReduceSum <keepdims = 0> (squares, a0)
            kept_loss = Mul (square, a_half)
            both_losses = Add (preference, kept_loss)
            loss = Sub (both_losses, sum)
            {{slope}}
            weighted_slope = Mul (slope, pair_weights)
            by_chosen = Mul (weighted_slope, beta)
            column_ = Reshape (by_chosen, one_column)
            by_rejected = Neg (column_)
            both = Concat <axis = 1> (column_, by_rejected)
            by_sequence = Reshape (both, flat_shape)
            by_target_ = Gather (by_sequence, target_sequences)
            by_target = Mul (by_target_, sequence_weights)
            without_kept = Sub (target_weights, by_target)
            weights = Sub (without_kept, pull)
            p = Exp (log_p)
            column = Unsqueeze (weights, a1)
            weighted_p = Mul (p, column)
            negative = Neg (column)
            gradient_ = ScatterElements <axis = 1, reduction = "add"> (weighted_p, ids, negative)
            gradient = Identity (gradient_)
        }
        """;
}
