using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>What the key and value projections of a layer read.</summary>
internal static class KeyValueSources
{
    /// <summary>Lets both projections, and the LoRAs beside them, read something else than the normed hidden state.</summary>
    /// <param name="site">The layer.</param>
    /// <param name="replacement">Makes it of the hidden state, [b, s, d] or, where the second argument is true, [b * s, d].</param>
    /// <exception cref="ModelRefusedException">The projections round what they read by the range of all rows.</exception>
    public static void Replace(AttentionSite site, Func<Value, bool, Value> replacement)
    {
        if (site.Key.Projection.RoundsActivations || site.Value.Projection.RoundsActivations)
        {
            throw new ModelRefusedException("The projections round activations by the range of all rows, which rows of tokens would change", site.Key.Projection.Node.ToString(),
                remedy: "use gated adapters, with --slots one-token or many-token");
        }
        Projection[] projections = [site.Key.Projection, site.Value.Projection];
        // The two may read the hidden state by different values, one of which may even take its shape from the other projection.
        foreach (IGrouping<Value, Projection> readers in projections.Concat(projections.SelectMany(whole => whole.Updates).Select(update => update.Down)).GroupBy(part => part.Source))
        {
            Value replaced = replacement(readers.Key, readers.Any(part => part.Node.Is("Gemm")));
            foreach (Node projection in readers.Select(part => part.Node).Distinct())
            {
                projection.Rewire(0, replaced);
            }
        }
    }
}
