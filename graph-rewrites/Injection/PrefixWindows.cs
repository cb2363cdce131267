using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// What sliding windows do to the layout <c>prefix</c>: its tokens stand in the sequence, so that a window hides them from later tokens as it hides any others. A graph cannot keep them
/// visible: at a step it is given the new ids alone, and how many of the cached keys are a prefix's is no value of it.
/// </summary>
public static class PrefixWindows
{
    /// <summary>The warning for a model whose attention nodes have a window, of the narrowest; null where none has.</summary>
    /// <param name="sites">The attention sites of the model.</param>
    public static string? Warning(IReadOnlyList<AttentionSite> sites)
    {
        ArgumentNullException.ThrowIfNull(sites);
        AttentionSite[] windowed = [.. sites.Where(site => site.Scores.LocalWindow >= 0).OrderBy(site => site.Scores.LocalWindow)];
        return windowed.Length == 0 ? null
            : $"{windowed.Length} of {sites.Count} layers have a sliding window (of {windowed[0].Scores.LocalWindow} tokens in layer {windowed[0].Layer}), which hides the tokens of a prefix from what lies further behind: "
                + "answers are those of the concat adapter only while prefix and sequence together fit in it; gated adapters are never hidden (--slots many-token)";
    }
}
