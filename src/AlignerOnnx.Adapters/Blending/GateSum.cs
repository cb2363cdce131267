using System.Globalization;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>Adapters of the same tokens as one: gates sum_i scale_i beta_i, exact for any number of tokens, since the gates multiply what the tokens give.</summary>
internal static class GateSum
{
    /// <summary>The sum; of one adapter, that adapter with its gates times its scale.</summary>
    public static Adapter Of(IReadOnlyList<(BlendPart Part, Adapter Adapter)> parts)
    {
        (BlendPart firstPart, Adapter first) = parts[0];
        double[] gates = new double[first.Gates.Length];
        foreach ((BlendPart part, Adapter adapter) in parts)
        {
            RequireGated(part, adapter);
            RequireSameTokens(firstPart, first, part, adapter);
            for (int i = 0; i < gates.Length; i++)
            {
                gates[i] += part.Scale * adapter.Gates.Span[i];
            }
        }
        float[] stored = Array.ConvertAll(gates, gate => (float)gate);
        int outside = Array.FindIndex(stored, gate => !float.IsFinite(gate));
        if (outside >= 0)
        {
            throw new AdapterRefusedException("The blend is outside the range of numbers", firstPart.Path, gates[outside].ToString("R", CultureInfo.InvariantCulture), "finite gates", "use smaller scales");
        }
        return first with { Config = first.Config with { Training = new TrainingRecord { Recipe = $"blend: {string.Join(" + ", parts.Select(part => part.Part))}" } }, Gates = stored };
    }

    private static void RequireGated(BlendPart part, Adapter adapter)
    {
        if (adapter.Config.Attention != AdapterConfig.GatedAttention)
        {
            throw new AdapterRefusedException("Only gated adapters can be scaled and blended", part.Path, adapter.Config.Attention, AdapterConfig.GatedAttention,
                "the tokens of a concat adapter share the softmax of the sequence, which nothing scales: use it as it is");
        }
    }

    private static void RequireSameTokens(BlendPart firstPart, Adapter first, BlendPart part, Adapter adapter)
    {
        if (Place(first.Config) != Place(adapter.Config))
        {
            throw new AdapterRefusedException("The adapters are for different models, layers or numbers of tokens", part.Path, Describe(adapter.Config), $"{Describe(first.Config)}, as {firstPart.Path} has",
                OneTokenOnly(first, adapter) ? "give the model with --model: the sum of one-token adapters is exact as a compiled adapter" : "blend adapters of one model and of the same tokens");
        }
        if (!first.Tokens.Span.SequenceEqual(adapter.Tokens.Span))
        {
            throw new AdapterRefusedException("The sum of these adapters is not an adapter with tokens and gates", part.Path, "tokens of its own", $"the tokens of {firstPart.Path}",
                OneTokenOnly(first, adapter)
                    ? "give the model with --model: the sum of one-token adapters is exact as a compiled adapter"
                    : "each has a softmax over its own tokens, and no set of tokens has the sum of two: use one of them, or train adapters of one token, whose sum is exact");
        }
    }

    private static AdapterConfig Place(AdapterConfig config) => config with { BaseModelNameOrPath = "", Training = null };

    private static bool OneTokenOnly(params IReadOnlyList<Adapter> adapters) => adapters.All(adapter => adapter.Config.NumTokens == 1);

    private static string Describe(AdapterConfig config) =>
        $"{config.NumTokens} tokens of {config.HiddenSize}, layers {config.StartLayer} to {config.NumLayers - 1}, {config.NumHeads} heads, base {config.BaseFingerprint}";
}
