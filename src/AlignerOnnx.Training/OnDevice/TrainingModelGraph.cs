using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training;

/// <summary>Turns a gradient graph into what a training session runs: gradients go into accumulation buffers that the runtime owns, and stay outputs that the user may read.</summary>
internal static class TrainingModelGraph
{
    /// <summary>Rewrites a gradient graph in place.</summary>
    /// <param name="graph">The graph; the gradient of input p is its value p_gradient.</param>
    /// <param name="parameters">The inputs that are trained.</param>
    public static void Apply(OnnxGraph graph, params IReadOnlyList<string> parameters)
    {
        Value reset = graph.AddInput(ArtifactNames.ResetFlag, Declare(DataType.Bool, 1));
        foreach (string name in parameters)
        {
            Value parameter = graph.Find(name)!;
            Value gradient = graph.Find($"{name}_gradient")!;
            Value buffer = graph.AddInput(name + ArtifactNames.BufferSuffix, parameter.Type!.Clone());
            string accumulated = name + ArtifactNames.AccumulatedSuffix;
            Node node = graph.AddNode("InPlaceAccumulatorV2", Domains.Microsoft, accumulated, [buffer, gradient, reset], [accumulated]);
            graph.AddOutput(node.Output, Declare(DataType.Bool, 1));
        }
    }

    private static TypeProto Declare(DataType type, long size)
    {
        TensorShapeProto shape = new();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = size });
        return new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape } };
    }
}
