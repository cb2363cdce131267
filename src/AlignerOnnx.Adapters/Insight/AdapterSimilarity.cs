using System.Numerics.Tensors;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>How alike two adapters are: cosines, -1 .. 1; null where they cannot be compared (another size, or all zero).</summary>
/// <param name="First">The first adapter's name.</param>
/// <param name="Second">The second adapter's name.</param>
/// <param name="Tokens">Of the tokens.</param>
/// <param name="Gates">Of the gates in the layers that both adapt.</param>
/// <param name="Folded">Of what they add to each layer's attention output, over all layers; only for adapters of one gated token, and with a model.</param>
public sealed record AdapterSimilarity(string First, string Second, double? Tokens, double? Gates, double? Folded)
{
    /// <summary>Compares every pair of adapters.</summary>
    /// <param name="adapters">Names and adapters.</param>
    /// <param name="sites">All attention sites of their model; null compares no folded vectors.</param>
    public static IReadOnlyList<AdapterSimilarity> OfAll(IReadOnlyList<(string Name, Adapter Adapter)> adapters, IReadOnlyList<AttentionSite>? sites)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        float[]?[] folded = [.. adapters.Select(each => sites is null ? null : Fold(each.Adapter, sites))];
        return
        [
            .. from i in Enumerable.Range(0, adapters.Count)
               from j in Enumerable.Range(i + 1, adapters.Count - i - 1)
               select new AdapterSimilarity(adapters[i].Name, adapters[j].Name,
                   Cosine(adapters[i].Adapter.Tokens.Span, adapters[j].Adapter.Tokens.Span),
                   Cosine(CommonGates(adapters[i].Adapter, adapters[j].Adapter).Span, CommonGates(adapters[j].Adapter, adapters[i].Adapter).Span),
                   folded[i] is { } first && folded[j] is { } second ? Cosine(first, second) : null),
        ];
    }

    /// <summary>The folded vectors [L, d] of an adapter of one gated token; null for others, whose effect depends on the query.</summary>
    public static float[]? Fold(Adapter adapter, IReadOnlyList<AttentionSite> sites)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        return adapter.Config is { Attention: "gated", NumTokens: 1 } ? OneTokenFolding.Fold(sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates) : null;
    }

    /// <summary>The gates from the later one of two start layers on.</summary>
    private static ReadOnlyMemory<float> CommonGates(Adapter adapter, Adapter other) =>
        adapter.Gates[Math.Min(adapter.Gates.Length, Math.Max(0, other.Config.StartLayer - adapter.Config.StartLayer) * adapter.Config.NumHeads)..];

    private static double? Cosine(ReadOnlySpan<float> first, ReadOnlySpan<float> second) =>
        first.Length == second.Length && first.Length > 0 && TensorPrimitives.Norm(first) > 0 && TensorPrimitives.Norm(second) > 0 ? TensorPrimitives.CosineSimilarity(first, second) : null;
}
