using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Tells a decoder's mask, which hides later keys, from an encoder's, which only hides padding.</summary>
internal static class CausalMask
{
    /// <summary>Enough for the mask of any exporter; one mask serves all layers, so the walk ends in it.</summary>
    private const int MostNodes = 512;

    /// <summary>The most elements of a stored mask that is read (a context of 2048).</summary>
    private const long MostElements = 2048 * 2048;

    private static readonly HashSet<string> Comparisons = ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Trilu"];

    /// <summary>The reason why a core is no decoder's; null where it is one.</summary>
    /// <param name="core">The core.</param>
    /// <param name="scores">Its scores.</param>
    /// <param name="cache">Its cache.</param>
    public static string? WhyNoDecoder(Node core, ScoreFacts scores, CacheFacts cache) =>
        scores.IsCausal || cache.IsPresent || Hides(scores.Bias) ? null
        : scores.Bias is null ? "the attention sees the whole sequence: an encoder, not a decoder"
        : $"the attention's mask hides no later keys ({core.OpType} without a cache): an encoder, not a decoder";

    /// <summary>Whether a mask compares positions, is a triangle that is stored, or comes from the caller, who may hide what he likes.</summary>
    private static bool Hides(Value? mask)
    {
        if (mask is null)
        {
            return false;
        }
        HashSet<Value> seen = [mask];
        Queue<Value> open = new([mask]);
        for (int count = 0; count < MostNodes && open.TryDequeue(out Value? value); count++)
        {
            if (IsSquareInput(value) || (value.Producer is { } node && Comparisons.Contains(node.OpType)) || (Constants.Of(value) is { } stored && IsTriangle(stored)))
            {
                return true;
            }
            foreach (Value input in value.Producer?.Inputs.OfType<Value>() ?? [])
            {
                if (seen.Add(input))
                {
                    open.Enqueue(input);
                }
            }
        }
        return false;
    }

    private static bool IsSquareInput(Value value) => value is { IsGraphInput: true, Initializer: null, Type.TensorType.Shape.Dim.Count: 4 };

    private static bool IsTriangle(Tensor stored)
    {
        if (stored.Shape.Count < 2 || stored.Shape[^1] != stored.Shape[^2] || stored.Shape[^1] < 2 || stored.Count > MostElements || stored.Count != stored.Shape[^1] * stored.Shape[^1]
            || ElementTypes.Bits(stored.ElementType) is < 8 and not 0 || stored.ElementType is DataType.String)
        {
            return false;
        }
        byte[] bytes = stored.ReadBytes();
        int width = bytes.Length / (int)stored.Count;
        int size = (int)stored.Shape[^1];
        ReadOnlySpan<byte> below = bytes.AsSpan(size * width, width);
        ReadOnlySpan<byte> above = bytes.AsSpan(width, width);
        return !below.SequenceEqual(above);
    }
}
