using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli;

/// <summary>One attention core of a report. The facts behind <see cref="Culprit"/> are null where it cannot be patched.</summary>
/// <param name="Layer">The layer, from 0, in execution order.</param>
/// <param name="Form">The attention form.</param>
/// <param name="Node">The node's name; may be empty.</param>
/// <param name="Patchable">Whether it can be patched.</param>
/// <param name="Reason">Why it cannot.</param>
/// <param name="Culprit">The node or value that stands in the way.</param>
/// <param name="Heads">H, G, the head size and the factor on scores.</param>
/// <param name="ElementType">The type of activations and slots, for example <c>float16</c>.</param>
/// <param name="Projections">How the weights are stored.</param>
/// <param name="Rotary">The rotary embedding; null where the layer has none.</param>
/// <param name="Scores">What happens to scores besides the factor.</param>
/// <param name="Normalization">Which of queries and keys are normalised: <c>none</c>, <c>per head</c> or <c>whole</c>.</param>
/// <param name="Cache">Whether the layer decodes with a cache.</param>
/// <param name="Output">The value that a folded vector is added to.</param>
internal sealed record InspectedSite(
    int Layer, string Form, string Node, bool Patchable, string? Reason, string? Culprit,
    InspectedSite.HeadFacts? Heads = null, string? ElementType = null, InspectedSite.ProjectionFacts? Projections = null, InspectedSite.RotaryFacts? Rotary = null,
    InspectedSite.ScoreFacts? Scores = null, string? Normalization = null, bool? Cache = null, string? Output = null)
{
    internal sealed record HeadFacts(int Query, int KeyValue, int Size, float Scale);

    internal sealed record ProjectionFacts(string Query, string Key, string Value, string Output, bool Packed, bool Biased);

    internal sealed record RotaryFacts(bool InsideCore, int RotatedSize, bool Interleaved);

    internal sealed record ScoreFacts(float SoftCap, long LocalWindow, bool Bias, bool Sinks);

    public static InspectedSite Of(AttentionCore core) => core.Match.Found is { } site
        ? new InspectedSite(
            core.Layer, site.Form, core.Core.Name, true, null, null,
            new HeadFacts(site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.Scale),
            site.ElementType.ToString().ToLowerInvariant(),
            new ProjectionFacts(site.Query.Projection.Kind, site.Key.Projection.Kind, site.Value.Projection.Kind, site.Output.Kind, !site.Key.IsWhole, IsBiased(site.Key) || IsBiased(site.Value)),
            site.Rotary is { } rotary ? new RotaryFacts(rotary.IsInsideCore, rotary.RotatedSize, rotary.Interleaved) : null,
            new ScoreFacts(site.Scores.SoftCap, site.Scores.LocalWindow, site.Scores.Bias is not null, site.Scores.Sinks is not null || site.Scores.SmoothSoftmax),
            site.KeyNormalization is not { } normalization ? "none" : normalization.PerHead ? "per head" : "whole",
            site.Cache.IsPresent, site.End.Name)
        : new InspectedSite(core.Layer, core.Core.OpType, core.Core.Name, false, core.Match.Reason, core.Match.Culprit);

    /// <summary>One line of the table for a person.</summary>
    public IReadOnlyList<string> Cells() =>
    [
        $"{Layer}", Form, Heads is null ? "" : $"{Heads.Query}/{Heads.KeyValue} x {Heads.Size}", ElementType ?? "",
        Projections is null ? "" : string.Join(", ", new[] { Projections.Query, Projections.Key, Projections.Value, Projections.Output }.Distinct()),
        Patchable ? "yes" : "no", Reason is null ? "" : $"{Reason}: {Culprit}",
    ];

    private static bool IsBiased(ProjectionSlice slice) => slice.Projection.Bias is not null || slice.LateBias is not null;
}
