using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Tells GPT-2-like layers from those of the LLaMA family that go without a rotary embedding (SmolLM3): their tokens are normalised by LayerNormalization, which subtracts
/// the mean, and their positions are embedded with the tokens.
/// </summary>
internal static class LearnedPositions
{
    private const int Steps = 8;

    /// <summary>Whether the input of a projection is the output of a LayerNormalization, in one operator or decomposed.</summary>
    public static bool IsCentred(Value source)
    {
        Value? value = source;
        for (int step = 0; step < Steps && value?.Producer is { } node; step++)
        {
            if (node.OpType is "LayerNormalization" or "SkipLayerNormalization" or "EmbedLayerNormalization")
            {
                return true;
            }
            if (node.OpType is "Div" or "Mul" && node.Inputs.Any(IsDeviation))
            {
                return true;
            }
            value = node.OpType switch
            {
                "Reshape" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Flatten" or "Transpose" => node.Input(0),
                "Add" or "Mul" => node.Inputs.FirstOrDefault(input => Constants.Of(input) is null),
                _ => null,
            };
        }
        return false;
    }

    /// <summary>x - mean(x).</summary>
    private static bool IsDeviation(Value? value) => value?.Producer switch
    {
        { OpType: "Sub" } difference => difference.Input(1)?.Producer is { OpType: "ReduceMean" },
        { OpType: "Cast" } cast => cast.Input(0)?.Producer is { OpType: "Sub" } difference && difference.Input(1)?.Producer is { OpType: "ReduceMean" },
        _ => false,
    };
}
