using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>The loss, before and after: loss = -sum_i weight_i log softmax(logits_i)[id_i], and its gradient weight_i (softmax(logits_i) - one-hot(id_i)).</summary>
[TestClass]
public sealed class LossRuleTests
{
    private const string Decoder = """
        g (float[b, s, 4] x) => (float[b, s, 5] logits) <float[4, 5] w = ["location": "w"], float two = {2}> { h = Neg (x) m = MatMul (h, w) logits = Mul (m, two) }
        """;

    [TestMethod]
    public void CrossEntropy_TakesLogitsOfTheTargetsAlone() => RuleTest.Rewrites(Decoder,
        model =>
        {
            CrossEntropyLoss loss = CrossEntropyLoss.Attach(model);
            model.Graph.AddOutput(loss.Loss, Shapes.Declare(DataType.Float));
            model.Graph.AddOutput(loss.TargetLogProbabilities, Shapes.Declare(DataType.Float, "targets"));
            TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
            model.Graph.AddOutput(model.Graph.AddNode("Identity", "", "", [loss.LogitsGradient()], ["gradient"]).Output, any);
        },
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

    [TestMethod]
    [DataRow("logits", "y", "The model has no logits")]
    [DataRow("MatMul (h, w)", "Neg (h)", "The output head is not a projection")]
    public void AModelWithoutAHead_IsRefused(string part, string replacement, string reason) =>
        Assert.AreEqual(reason, Assert.ThrowsExactly<ModelRefusedException>(() => CrossEntropyLoss.Attach(OnnxText.Load(Decoder.With(part, replacement)))).What);
}
