using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>The rows that stand in for the input of key and value projections.</summary>
/// <param name="graph">The graph.</param>
/// <param name="mask">Where a row stands in, bool [b, s, 1].</param>
/// <param name="rows">The rows, [b, s, d]; arbitrary where none stands in.</param>
internal sealed class PrefixRows(OnnxGraph graph, Value mask, Value rows)
{
    private (Value Mask, Value Rows)? _inOneLine;

    /// <summary>Lets the key and value projections of a layer read the rows. A packed projection computes queries from them too, which nobody reads: rows have no later layers.</summary>
    public void StandIn(AttentionSite site)
    {
        Value normed = site.Key.Projection.Source;
        // Gemm works on the sequences of a batch in one line.
        (Value where, Value what) = site.Key.Projection.Node.Is("Gemm") ? _inOneLine ??= InOneLine(site) : (mask, rows);
        Value source = new OpEmitter(graph, $"aligner.prefix.layer{site.Layer}").Op("Where", [where, what, normed]);
        foreach (Node projection in new[] { site.Key.Projection.Node, site.Value.Projection.Node }.Distinct())
        {
            projection.Rewire(0, source);
        }
    }

    private (Value Mask, Value Rows) InOneLine(AttentionSite site)
    {
        OpEmitter emit = new(graph, "aligner.prefix");
        return (emit.Reshape(mask, -1, 1), emit.Reshape(rows, -1, site.HiddenSize));
    }
}
