using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// The method is defined for decoders of the LLaMA family, whose tokens have positions only inside attention (rotary embeddings, or none). Models that add learned
/// position embeddings to their input (GPT-2, OPT, BERT) are another family.
/// </summary>
internal static class ModelFamily
{
    private const int Steps = 4;

    /// <summary>Why a model is of another family, with the node that shows it; null where none does.</summary>
    public static (string Reason, Node Culprit)? WhyNot(OnnxGraph graph)
    {
        foreach (Node node in graph.Nodes)
        {
            if (node.Is("EmbedLayerNormalization", Domains.Microsoft) || (node.Is("Add") && IsTable(node.Input(0)) && IsTable(node.Input(1))))
            {
                return ("the model adds learned position embeddings to its input (GPT-2, OPT, BERT): it is not of the LLaMA family", node);
            }
        }
        return null;
    }

    /// <summary>Whether a value is rows of a constant table, converted or with a dimension added.</summary>
    private static bool IsTable(Value? value)
    {
        for (int step = 0; step < Steps && value?.Producer is { OpType: "Cast" or "Identity" or "Unsqueeze" or "Expand" or "Dropout", Domain: Domains.Standard } same; step++)
        {
            value = same.Input(0);
        }
        return value?.Producer is { } gather && gather.Is("Gather") && Constants.Of(gather.Input(0)) is { Shape.Count: 2, ElementType: DataType.Float or DataType.Float16 or DataType.Bfloat16 };
    }
}
