using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Folds tokens through a model's frozen weights into keys and values: k = norm(W_k p + b_k), v = W_v p + b_v, not rotated. Sums are in double precision.</summary>
public static class ManyTokenFolding
{
    /// <summary>Keys and values [L, G, N, head size] and gates [L, H]; those of layers before the start layer are zero.</summary>
    /// <param name="Keys">The keys.</param>
    /// <param name="Values">The values.</param>
    /// <param name="Gates">The gates.</param>
    public sealed record Folded(float[] Keys, float[] Values, float[] Gates);

    /// <summary>Folds an adapter that <see cref="Adapter.RequireFits(IReadOnlyList{AttentionSite}, bool)"/> accepts.</summary>
    /// <param name="sites">All attention sites of the base model.</param>
    /// <param name="adapter">The adapter: gated, any number of tokens.</param>
    public static Folded Fold(IReadOnlyList<AttentionSite> sites, Adapter adapter)
    {
        ArgumentNullException.ThrowIfNull(sites);
        ArgumentNullException.ThrowIfNull(adapter);
        (int tokens, int start) = (adapter.Config.NumTokens, adapter.Config.StartLayer);
        int layer = sites[0].KeyValueHeads * tokens * sites[0].HeadSize;
        Folded folded = new(new float[sites.Count * layer], new float[sites.Count * layer], new float[sites.Count * sites[0].QueryHeads]);
        adapter.Gates.Span.CopyTo(folded.Gates.AsSpan(start * sites[0].QueryHeads));
        using TensorReader reader = new();
        Parallel.For(start, sites.Count, number =>
        {
            AttentionSite site = sites[number];
            (double[] keyRows, double[] keyBias) = ProjectionWeights.Merge(reader, site.Key);
            (double[] valueRows, double[] valueBias) = ProjectionWeights.Merge(reader, site.Value);
            for (int token = 0; token < tokens; token++)
            {
                double[] p = new double[site.HiddenSize];
                TensorPrimitives.ConvertChecked<float, double>(adapter.Tokens.Span.Slice(token * p.Length, p.Length), p);
                double[] key = KeyNormalization.Apply(site, Project(keyRows, keyBias, p));
                Place(site, key, token, tokens, folded.Keys.AsSpan(number * layer, layer));
                Place(site, Project(valueRows, valueBias, p), token, tokens, folded.Values.AsSpan(number * layer, layer));
            }
        });
        return folded;
    }

    private static double[] Project(double[] rows, double[] bias, double[] vector)
    {
        double[] product = new double[bias.Length];
        for (int row = 0; row < product.Length; row++)
        {
            product[row] = bias[row] + TensorPrimitives.Dot<double>(rows.AsSpan(row * vector.Length, vector.Length), vector);
        }
        return product;
    }

    /// <summary>[G * head size] of one token into [G, N, head size].</summary>
    private static void Place(AttentionSite site, double[] heads, int token, int tokens, Span<float> layer)
    {
        for (int group = 0; group < site.KeyValueHeads; group++)
        {
            TensorPrimitives.ConvertTruncating<double, float>(heads.AsSpan(group * site.HeadSize, site.HeadSize), layer.Slice(((group * tokens) + token) * site.HeadSize, site.HeadSize));
        }
    }
}
