using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// A residual stream of two layers above a frozen one, before and after: the backward pass of the lower trained layer reads copies, which start from the residual stream before that layer
/// once the gradient behind it is there.
/// </summary>
[TestClass]
public sealed class RecomputationRuleTests
{
    private const string Inputs = "float[2, 3] x, float[2, 3] t, float[2, 3] dy";

    // Above the trained t stand x1 and x2 of the stream; the last normalization has its input to itself. The lower layer bounds its values from above alone: an input is left out.
    private const string Forward = """
        n0, i0 = SimplifiedLayerNormalization (x, w)
        a0 = Sigmoid (n0)
        p0 = Mul (a0, t)
        x1 = Add (x, p0)
        n1, i1 = SimplifiedLayerNormalization (x1, w)
        a1 = Sigmoid (n1)
        c1 = Clip (a1, , top)
        x2 = Add (x1, c1)
        n2, i2 = SimplifiedLayerNormalization (x2, w)
        a2 = Sigmoid (n2)
        x3 = Add (x2, a2)
        y, i3 = SimplifiedLayerNormalization (x3, w)
        """;

    private const string Constants = """
        float[3] w = {1, 2, 3}, float top = {0.75}, float one = {1}, float zero = {0}, float[2, 3] a0, float[2, 3] p0, float[2, 3] x1, float[2, 3] n1, float[2, 3] a1, float[2, 3] c1, float[2, 3] x2, float[2, 3] n2,
        float[2, 3] a2, float[2, 3] x3
        """;

    [TestMethod]
    public void ALayerBetweenTwoValuesOfTheResidualStream_IsComputedAgain() => RuleTest.Rewrites(
        $"g ({Inputs}) => (float[] y) <{Constants}> {{ {Forward} }}",
        Recompute,
        $$"""
        g ({{Inputs}}) => (float[] y, float[] dt) <{{Constants}}>
        {
            {{Forward}}
            g3 = aligner.RootMeanSquareGradient (dy, x3, w, i3)
            rest2 = Sub (one, a2)
            slope2 = Mul (a2, rest2)
            gn2 = Mul (g3, slope2)
            g2 = aligner.RootMeanSquareGradient (gn2, x2, w, i2, g3)

            nothing = Shape <start = 0, end = 0> (g2)
            x1_again = Expand (x1, nothing)
            n1_again, i1_again = SimplifiedLayerNormalization (x1_again, w)
            a1_again = Sigmoid (n1_again)
            c1_again = Clip (a1_again, , top)

            kept = Equal (c1_again, a1_again)
            ga1 = Where (kept, g2, zero)
            rest1 = Sub (one, a1_again)
            slope1 = Mul (a1_again, rest1)
            gn1 = Mul (ga1, slope1)
            g1 = aligner.RootMeanSquareGradient (gn1, x1, w, i1_again, g2)
            gt = Mul (g1, a0)
            dt = Identity (gt)
        }
        """);

    private static void Recompute(OnnxModel model)
    {
        OnnxGraph graph = model.Graph;
        HashSet<Node> forward = [.. graph.Nodes];
        GradientContext gradients = BackwardPass.Differentiate(model, ["t"], TrainingRuntime.AlignerKernels);
        Recomputation.Apply(graph, forward, gradients);
    }
}
