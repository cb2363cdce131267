using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>
/// Lets a decoder compute the logits of the last position only, <c>[b, 1, V]</c> in place of <c>[b, s, V]</c>: generation reads no others, and over a long prompt the
/// others cost the most time and memory of all.
/// </summary>
public static class LastPosition
{
    /// <summary>Rewrites the graph, in place.</summary>
    /// <returns>Whether it has the form that this needs: a projection behind a normalization, then logits; if not, it is unchanged.</returns>
    public static bool Apply(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (LogitsProjection.Find(model.Graph) is not { } projection)
        {
            return false;
        }
        OpEmitter emit = new(model.Graph, "aligner.last_position");
        projection.Rewire(0, emit.Op("Slice", [projection.Input(0), emit.Integers([-1]), emit.Integers([long.MaxValue]), emit.Integers([1])]));
        return true;
    }
}
