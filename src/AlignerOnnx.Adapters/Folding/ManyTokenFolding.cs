using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Folds tokens through a model's key and value projections: what the <c>many-token</c> slots hold. Sums are in double precision.</summary>
public static class ManyTokenFolding
{
    /// <summary>Folds an adapter.</summary>
    /// <param name="sites">All attention sites of the base model, L of them.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    /// <param name="tokens">P, [N, d].</param>
    /// <param name="gates">beta, [L - start layer, H].</param>
    /// <returns>Keys and values [L, G, N, head size] and gates [L, H]; zero in layers before the start layer.</returns>
    /// <exception cref="AdapterRefusedException">The sizes do not fit the model.</exception>
    public static FoldedTokens Fold(IReadOnlyList<AttentionSite> sites, int startLayer, ReadOnlyMemory<float> tokens, ReadOnlyMemory<float> gates)
    {
        ArgumentNullException.ThrowIfNull(sites);
        Architecture architecture = AdapterSizes.Require(sites, startLayer, tokens.Length, gates.Length);
        int count = tokens.Length / architecture.HiddenSize;
        int layerSize = architecture.KeyValueHeads * count * architecture.HeadSize;
        float[] keys = new float[sites.Count * layerSize];
        float[] values = new float[sites.Count * layerSize];
        Parallel.For(startLayer, sites.Count, layer =>
        {
            ByHead(TokenFolding.Keys(sites[layer], tokens.Span), count, architecture, keys.AsSpan(layer * layerSize, layerSize));
            ByHead(TokenFolding.Values(sites[layer], tokens.Span), count, architecture, values.AsSpan(layer * layerSize, layerSize));
        });
        return new FoldedTokens(count, keys, values, AdapterSizes.AllLayers(gates.Span, startLayer * architecture.QueryHeads));
    }

    /// <summary>[N, G * head size] in double precision to [G, N, head size] in float32.</summary>
    private static void ByHead(double[] rows, int count, Architecture architecture, Span<float> heads)
    {
        (int groups, int size) = (architecture.KeyValueHeads, architecture.HeadSize);
        for (int token = 0; token < count; token++)
        {
            for (int group = 0; group < groups; group++)
            {
                TensorPrimitives.ConvertTruncating<double, float>(rows.AsSpan((((token * groups) + group) * size), size), heads.Slice(((group * count) + token) * size, size));
            }
        }
    }
}

/// <summary>An adapter folded for <c>many-token</c> slots.</summary>
/// <param name="Count">N.</param>
/// <param name="Keys">Keys [L, G, N, head size], not rotated.</param>
/// <param name="Values">Values [L, G, N, head size].</param>
/// <param name="Gates">Gates [L, H].</param>
public sealed record FoldedTokens(int Count, ReadOnlyMemory<float> Keys, ReadOnlyMemory<float> Values, ReadOnlyMemory<float> Gates);
