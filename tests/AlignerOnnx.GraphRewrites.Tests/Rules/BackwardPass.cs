using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Differentiated graphs in ONNX text: "y" is the output, "dy" its gradient, "gx" that of x.</summary>
internal static class BackwardPass
{
    /// <summary>Asserts the backward pass of a graph with output y.</summary>
    /// <param name="inputs">The inputs besides dy.</param>
    /// <param name="forward">The nodes before.</param>
    /// <param name="wanted">The inputs whose gradients are wanted, each with the value that it is unless that is "g" and the name.</param>
    /// <param name="backward">The nodes that come to them.</param>
    /// <param name="constants">Constants of both.</param>
    /// <param name="runtime">Whose operators may be used.</param>
    public static void Gradient(string inputs, string forward, string wanted, string backward = "", string constants = "", TrainingRuntime runtime = TrainingRuntime.OnnxRuntime)
    {
        (string Name, string Gradient)[] parameters = [.. wanted.Split(", ").Select(entry => entry.Split(": ")).Select(parts => (parts[0], parts.Length > 1 ? parts[1] : $"g{parts[0]}"))];
        string outputs = string.Concat(parameters.Select(parameter => $", float[] d{parameter.Name}"));
        string identities = string.Concat(parameters.Select(parameter => $" d{parameter.Name} = Identity ({parameter.Gradient})"));
        RuleTest.Rewrites(
            $"g ({inputs}, float[] dy) => (float[] y) <{constants}> {{ {forward} }}",
            model => Differentiate(model, [.. parameters.Select(parameter => parameter.Name)], runtime),
            $"g ({inputs}, float[] dy) => (float[] y{outputs}) <{constants}> {{ {forward} {backward}{identities} }}");
    }

    /// <summary>Differentiates a model with output y and input dy; the gradient of x becomes the output dx.</summary>
    public static GradientContext Differentiate(OnnxModel model, string[] parameters, TrainingRuntime runtime = TrainingRuntime.OnnxRuntime)
    {
        OnnxGraph graph = model.Graph;
        TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
        GradientContext gradients = Differentiator.Differentiate(graph, graph.Find("y")!, graph.Find("dy")!, [.. parameters.Select(name => graph.Find(name)!)], runtime);
        foreach (string name in parameters)
        {
            graph.AddOutput(graph.AddNode("Identity", "", "", [gradients.GradientOf(graph.Find(name))], [$"d{name}"]).Output, any);
        }
        return gradients;
    }

    /// <summary>
    /// The gradient of a value ("gx" of x) as the sum of one of another shape over the axes in which the shape of the value, padded in front with ones, differs from it.
    /// Reads <c>int64[1] zero = {0}</c>.
    /// </summary>
    public static string ReducedToShapeOf(string value, string gradient) => $$"""
        wanted = Shape ({{value}}) given = Shape ({{gradient}}) rank_given = Shape (given) rank_wanted = Shape (wanted) missing = Sub (rank_given, rank_wanted)
        ones = ConstantOfShape <value = int64[1] {1}> (missing) padded = Concat <axis = 0> (ones, wanted)
        same = Equal (padded, given) differs = Not (same) numbers = Cast <to = 7> (differs) found = NonZero (numbers) axes = Squeeze (found, zero)
        sum = ReduceSum <noop_with_empty_axes = 1> ({{gradient}}, axes) g{{value}} = Reshape (sum, wanted)
        """;
}
