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

    private static void Attach(OnnxModel model, Func<TargetLogProbabilities, ITrainingLoss> attach)
    {
        TargetLogProbabilities targets = TargetLogProbabilities.Attach(model, new TrainingGraphOptions(), differentiated: true);
        ITrainingLoss loss = attach(targets);
        foreach ((Value value, TypeProto type) in loss.Outputs)
        {
            model.Graph.AddOutput(value, type);
        }
        model.Graph.AddOutput(targets.Values, Shapes.Declare(DataType.Float, "targets"));
        TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
        model.Graph.AddOutput(model.Graph.AddNode("Identity", "", "", [targets.OriginGradient(loss.TargetWeights)], ["gradient"]).Output, any);
    }

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
