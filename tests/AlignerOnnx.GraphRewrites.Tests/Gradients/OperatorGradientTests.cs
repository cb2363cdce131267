using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Gradients;

/// <summary>Each gradient rule against central differences of the operator as ONNX Runtime computes it.</summary>
[TestClass]
public sealed class OperatorGradientTests
{
    private const int Seed = 81;
    private const float Step = 1e-2f;

    private static readonly Dictionary<string, OperatorCase> Cases = new()
    {
        ["Add"] = new OperatorCase("Add").Input(2, 3, 4).Input(2, 3, 4),
        ["Add, both broadcast"] = new OperatorCase("Add").Input(2, 1, 4).Input(3, 1),
        ["Add, a constant"] = new OperatorCase("Add").Input(2, 3).Constant([0.3f, -1, 2], 3),
        ["Sub"] = new OperatorCase("Sub").Input(2, 3).Input(1, 3),
        ["Mul"] = new OperatorCase("Mul").Input(2, 3).Input(2, 3),
        ["Mul, broadcast"] = new OperatorCase("Mul").Input(2, 3, 4).Input(2, 3, 1),
        ["Div"] = new OperatorCase("Div").Input(2, 3).PositiveInput(2, 3),
        ["Div, broadcast"] = new OperatorCase("Div").Input(2, 3).PositiveInput(2, 1),
        ["Neg"] = new OperatorCase("Neg").Input(5),
        ["Pow 2"] = new OperatorCase("Pow").Input(5).Constant([2f]),
        ["Pow 3"] = new OperatorCase("Pow").Input(5).Constant([3f]),
        ["Pow -0.5"] = new OperatorCase("Pow").PositiveInput(5).Constant([-0.5f]),
        ["Sqrt"] = new OperatorCase("Sqrt").PositiveInput(5),
        ["Reciprocal"] = new OperatorCase("Reciprocal").PositiveInput(5),
        ["Exp"] = new OperatorCase("Exp").Input(5),
        ["Log"] = new OperatorCase("Log").PositiveInput(5),
        ["Abs"] = new OperatorCase("Abs").PositiveInput(5),
        ["Sin"] = new OperatorCase("Sin").Input(5),
        ["Cos"] = new OperatorCase("Cos").Input(5),
        ["Clip"] = new OperatorCase("Clip").Input(6).Constant([-0.5f]).Constant([0.5f]),
        ["Max"] = new OperatorCase("Max").Input(2, 3).Input(2, 3),
        ["Max, a constant"] = new OperatorCase("Max").Input(2, 3).Constant([0.1f]),
        ["Min, broadcast"] = new OperatorCase("Min").Input(2, 3).Input(2, 1),
        ["Where"] = new OperatorCase("Where").Constant([true, false, true, false, true, true], 2, 3).Input(2, 3).Input(1, 3),
        ["Cast"] = new OperatorCase("Cast").Input(4).Attribute(NodeAttributes.Of("to", 1L)),
        ["Identity"] = new OperatorCase("Identity").Input(4),
        ["Sigmoid"] = new OperatorCase("Sigmoid").Input(6),
        ["QuickGelu"] = new OperatorCase("QuickGelu", "com.microsoft").Input(6),
        ["QuickGelu as SiLU"] = new OperatorCase("QuickGelu", "com.microsoft").Input(6).Attribute(NodeAttributes.Of("alpha", 1f)),
        ["Gelu"] = new OperatorCase("Gelu").Input(6),
        ["Gelu, tanh"] = new OperatorCase("Gelu").Input(6).Attribute(NodeAttributes.Of("approximate", "tanh")),
        ["Gelu, contributed"] = new OperatorCase("Gelu", "com.microsoft").Input(6),
        ["FastGelu"] = new OperatorCase("FastGelu", "com.microsoft").Input(6),
        ["Tanh"] = new OperatorCase("Tanh").Input(6),
        ["Erf"] = new OperatorCase("Erf").Input(6),
        ["Softmax"] = new OperatorCase("Softmax").Input(2, 3, 4),
        ["Softmax, another axis"] = new OperatorCase("Softmax").Input(2, 3, 4).Attribute(NodeAttributes.Of("axis", 1L)),
        ["LogSoftmax"] = new OperatorCase("LogSoftmax").Input(2, 3, 4),
        ["LogSoftmax, another axis"] = new OperatorCase("LogSoftmax").Input(2, 3, 4).Attribute(NodeAttributes.Of("axis", 0L)),
        ["Relu"] = new OperatorCase("Relu").PositiveInput(6),
        ["Softplus"] = new OperatorCase("Softplus").Input(6),
        ["CumSum"] = new OperatorCase("CumSum").Input(2, 4).Constant(1L),
        ["CumSum, from the other end"] = new OperatorCase("CumSum").Input(2, 4).Constant(0L).Attribute(NodeAttributes.Of("reverse", 1L)).Attribute(NodeAttributes.Of("exclusive", 1L)),
        ["ReduceMax"] = new OperatorCase("ReduceMax").Input(2, 3, 4).Constant(-1L),
        ["ReduceMin, axis dropped"] = new OperatorCase("ReduceMin").Input(2, 3, 2).Constant(1L).Attribute(NodeAttributes.Of("keepdims", 0L)),
        ["LayerNormalization"] = new OperatorCase("LayerNormalization").Input(2, 3, 4).Constant([1f, 0.5f, -2f, 1.5f], 4).Constant([0.1f, 0.2f, 0.3f, 0.4f], 4).Attribute(NodeAttributes.Of("epsilon", 1e-3f)),
        ["LayerNormalization, two axes"] = new OperatorCase("LayerNormalization").Input(2, 2, 3).Constant([1f, 0.5f, -2f, 1.5f, 1, 2], 2, 3).Attribute(NodeAttributes.Of("axis", -2L)),
        ["ReduceMean"] = new OperatorCase("ReduceMean").Input(2, 3, 4).Constant(-1L),
        ["ReduceMean, axis dropped"] = new OperatorCase("ReduceMean").Input(2, 3, 4).Constant(1L).Attribute(NodeAttributes.Of("keepdims", 0L)),
        ["ReduceSum"] = new OperatorCase("ReduceSum").Input(2, 3, 4).Constant(0L, 2L),
        ["SimplifiedLayerNormalization"] = new OperatorCase("SimplifiedLayerNormalization") { Outputs = 2 }.Input(2, 3, 4).Constant([1f, 0.5f, -2f, 1.5f], 4).Attribute(NodeAttributes.Of("epsilon", 1e-3f)),
        ["MatMul"] = new OperatorCase("MatMul").Input(2, 3, 4).Input(2, 4, 5),
        ["MatMul, frozen"] = new OperatorCase("MatMul").Input(2, 3, 2).Constant([1f, 2, -1, 0.5f, 3, -2], 2, 3),
        ["FusedMatMul"] = new OperatorCase("FusedMatMul", "com.microsoft").Input(2, 3, 4).Input(2, 5, 4).Attribute(NodeAttributes.Of("transB", 1L)).Attribute(NodeAttributes.Of("alpha", 0.7f)),
        ["Gemm"] = new OperatorCase("Gemm").Input(3, 2).Constant([1f, 2, -1, 0.5f, 3, -2], 3, 2).Constant([0.1f, 0.2f, 0.3f], 3).Attribute(NodeAttributes.Of("transB", 1L)).Attribute(NodeAttributes.Of("alpha", 0.7f)),
        ["Einsum"] = new OperatorCase("Einsum").Input(2, 3, 4).Input(2, 5, 4).Attribute(NodeAttributes.Of("equation", "bid,bjd->bij")),
        ["Einsum, frozen"] = new OperatorCase("Einsum").Input(2, 3, 2).Constant([1f, 2, -1, 0.5f, 3, -2], 2, 3).Attribute(NodeAttributes.Of("equation", "bsd, de -> bse")),
        ["Flatten"] = new OperatorCase("Flatten").Input(2, 3, 4).Attribute(NodeAttributes.Of("axis", 2L)),
        ["Trilu"] = new OperatorCase("Trilu").Input(3, 4).Constant(1L).Attribute(NodeAttributes.Of("upper", 0L)),
        ["Reshape"] = new OperatorCase("Reshape").Input(2, 6).Constant(3, 4),
        ["Transpose"] = new OperatorCase("Transpose").Input(2, 3, 4).Attribute(NodeAttributes.Of("perm", 2, 0, 1)),
        ["Unsqueeze"] = new OperatorCase("Unsqueeze").Input(2, 3).Constant(1, 3),
        ["Squeeze"] = new OperatorCase("Squeeze").Input(2, 1, 3).Constant(1L),
        ["Expand"] = new OperatorCase("Expand").Input(2, 1, 3).Constant(2, 2, 4, 3),
        ["Split"] = new OperatorCase("Split") { Outputs = 2 }.Input(2, 5).Constant(2, 3).Attribute(NodeAttributes.Of("axis", 1L)),
        ["Concat"] = new OperatorCase("Concat").Input(2, 3).Input(2, 1).Attribute(NodeAttributes.Of("axis", -1L)),
        ["Slice, front"] = new OperatorCase("Slice").Input(2, 5).Constant(0L).Constant(3L).Constant(1L),
        ["Slice, back"] = new OperatorCase("Slice").Input(2, 5).Constant(-2L).Constant(long.MaxValue).Constant(-1L),
        ["Slice, the first axis"] = new OperatorCase("Slice").Input(5, 2).Constant(1L).Constant(3L).Constant(0L),
        ["Slice, in steps of one"] = new OperatorCase("Slice").Input(2, 5).Constant(1L).Constant(3L).Constant(1L).Constant(1L),
        ["Tile"] = new OperatorCase("Tile").Input(2, 1, 3).Constant(2, 3, 1),
        ["Gather"] = new OperatorCase("Gather").Input(4, 3).Constant(2, 0, 2),
        ["Gather, another axis"] = new OperatorCase("Gather").Input(2, 4, 3).Constant(2, 0, 2).Attribute(NodeAttributes.Of("axis", 1L)),
        ["Gather, the last axis"] = new OperatorCase("Gather").Input(2, 4, 3).Constant(-1L).Attribute(NodeAttributes.Of("axis", -1L)),
        ["Gather, one index along another axis"] = new OperatorCase("Gather").Input(2, 4, 3).Constant(Tensor.Of("i", [2L])).Attribute(NodeAttributes.Of("axis", 1L)),
        ["GatherElements"] = new OperatorCase("GatherElements").Input(2, 4).Constant(Tensor.Of("i", [0L, 3, 3, 1, 2, 0], 2, 3)).Attribute(NodeAttributes.Of("axis", 1L)),
    };

    public static IEnumerable<object[]> Names => Cases.Keys.SelectMany(name => new object[][] { [name, true], [name, false] });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public void Rule_AgainstCentralDifferences_IsExact(string name, bool declared)
    {
        OperatorCase tested = Cases[name];
        using GraphRunner forward = new(tested.Build(backward: false, declared));
        using GraphRunner backward = new(tested.Build(backward: true, declared));
        Random random = new(Seed);
        (string Name, Array Data, long[] Shape)[] at = [.. tested.Inputs.Select(input => (input.Name, (Array)Numbers(random, input.Shape, input.Positive), input.Shape))];
        (float[] y, long[] shape) = forward.RunFirst(at);
        float[] dy = Numbers(random, [y.Length], positive: false);
        IReadOnlyList<(float[] Data, long[] Shape)> results = backward.RunWithShapes([.. at, ("dy", dy, shape)]);
        foreach (((string input, Array data, long[] size), (float[] gradient, long[] gradientSize)) in at.Zip(results.Skip(1)))
        {
            CollectionAssert.AreEqual(size, gradientSize, $"{name}, {input}: a gradient has the shape of its value");
            float[] x = (float[])data;
            for (int i = 0; i < x.Length; i++)
            {
                double expected = Difference(forward, at, x, i, dy);
                Assert.AreEqual(expected, gradient[i], 1e-3 + (3e-3 * Math.Abs(expected)), $"{name}, {input}[{i}], seed {Seed}");
            }
        }
    }

    private static double Difference(GraphRunner forward, (string Name, Array Data, long[] Shape)[] at, float[] x, int i, float[] dy)
    {
        float kept = x[i];
        x[i] = kept + Step;
        double above = Dot(forward.Run(at).Values.First(), dy);
        x[i] = kept - Step;
        double below = Dot(forward.Run(at).Values.First(), dy);
        x[i] = kept;
        return (above - below) / ((kept + Step) - (double)(kept - Step));
    }

    private static float[] Numbers(Random random, long[] shape, bool positive) =>
        [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(_ => positive ? 0.5f + (1.5f * random.NextSingle()) : (3 * random.NextSingle()) - 1.5f)];

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
