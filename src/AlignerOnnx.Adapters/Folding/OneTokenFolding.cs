using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>
/// Folds one token and its gates through a model's frozen weights: delta_l = sum_h beta_{l,h} W_o^(h) (W_v^(g(h)) p + b_v).
/// Exact for one token, whose softmax is 1 for every query; the bias of the output projection is not part of it. Sums are in double precision.
/// </summary>
public static class OneTokenFolding
{
    /// <summary>Folds an adapter.</summary>
    /// <param name="sites">All attention sites of the base model, L of them.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    /// <param name="token">p, [d].</param>
    /// <param name="gates">beta, [L - start layer, H].</param>
    /// <returns>The folded vectors [L, d]; those of layers before the start layer are zero.</returns>
    /// <exception cref="AdapterRefusedException">The sizes do not fit the model.</exception>
    public static float[] Fold(IReadOnlyList<AttentionSite> sites, int startLayer, ReadOnlyMemory<float> token, ReadOnlyMemory<float> gates)
    {
        ArgumentNullException.ThrowIfNull(sites);
        Architecture architecture = Architecture.Of(sites, "the model");
        int adapted = sites.Count - startLayer;
        if (startLayer < 0 || adapted < 1 || token.Length != architecture.HiddenSize || gates.Length != adapted * architecture.QueryHeads)
        {
            throw new AdapterRefusedException("The adapter does not fit the model", null, $"a token of {token.Length} and {gates.Length} gates from layer {startLayer}",
                $"a token of {architecture.HiddenSize} and {Math.Max(adapted, 0)} x {architecture.QueryHeads} gates", "use the model that the adapter was trained for");
        }
        float[] folded = new float[sites.Count * architecture.HiddenSize];
        using TensorReader reader = new();
        Parallel.For(startLayer, sites.Count, layer =>
        {
            ReadOnlySpan<float> row = gates.Span.Slice((layer - startLayer) * architecture.QueryHeads, architecture.QueryHeads);
            FoldLayer(reader, sites[layer], token.Span, row, folded.AsSpan(layer * architecture.HiddenSize, architecture.HiddenSize));
        });
        return folded;
    }

    private static void FoldLayer(TensorReader reader, AttentionSite site, ReadOnlySpan<float> token, ReadOnlySpan<float> gates, Span<float> folded)
    {
        double[] p = new double[token.Length];
        TensorPrimitives.ConvertChecked(token, p);
        double[] value = ProjectionWeights.Apply(reader, site.Value, p, withBias: true);
        double[] gated = Gated(site, value, gates);
        double[] result = ProjectionWeights.Apply(reader, new ProjectionSlice(site.Output, 0, site.Output.OutputSize), gated, withBias: false);
        TensorPrimitives.ConvertTruncating<double, float>(result, folded);
    }

    /// <summary>Each query head takes the value of its group, times its own gate.</summary>
    private static double[] Gated(AttentionSite site, double[] value, ReadOnlySpan<float> gates)
    {
        double[] gated = new double[site.QueryHeads * site.HeadSize];
        for (int head = 0; head < site.QueryHeads; head++)
        {
            int group = head * site.KeyValueHeads / site.QueryHeads;
            TensorPrimitives.Multiply(value.AsSpan(group * site.HeadSize, site.HeadSize), gates[head], gated.AsSpan(head * site.HeadSize, site.HeadSize));
        }
        return gated;
    }
}
