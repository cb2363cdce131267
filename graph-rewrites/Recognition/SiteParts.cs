using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;
using AlignerOnnx.GraphRewrites.Recognition.Projections;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>What a recogniser found around an attention core; <see cref="Assemble"/> checks, alike for every form, that the parts fit each other.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Form">The attention form.</param>
/// <param name="Core">The attention node.</param>
/// <param name="Query">The way of the queries.</param>
/// <param name="Key">The way of the keys.</param>
/// <param name="Value">The way of the values.</param>
/// <param name="QueryHeads">H; 0 where it follows from the head size.</param>
/// <param name="KeyValueHeads">G; 0 where it follows from the head size.</param>
/// <param name="Attended">What attention gives.</param>
internal sealed record SiteParts(int Layer, string Form, Node Core, HeadsPath Query, HeadsPath Key, HeadsPath Value, long QueryHeads, long KeyValueHeads, HeadsValue Attended)
{
    private const int MostHeads = 4096;

    /// <summary>The factor that the core applies to scores; null for 1 / sqrt(head size). Factors that queries and keys carry already come on top.</summary>
    public float? Scale { get; init; }

    /// <summary>The queries as the core reads them.</summary>
    public QueryOperand? Operand { get; init; }

    /// <summary>Why rewrites cannot have the final queries; null where they can.</summary>
    public string? QueryObstacle { get; init; }

    /// <summary>A rotary embedding inside the core.</summary>
    public RotaryFacts? RotaryInside { get; init; }

    /// <summary>Normalizations inside the core.</summary>
    public (HeadNormalization? Query, HeadNormalization? Key) NormalizationInside { get; init; }

    /// <summary>The scores.</summary>
    public ScoreFacts Scores { get; init; } = ScoreFacts.Plain;

    /// <summary>The cache.</summary>
    public CacheFacts Cache { get; init; } = CacheFacts.None;

    private long HeadSize => QueryHeads > 0 ? Query.Slice.Count / QueryHeads : Query.HeadSize;

    private long HeadsOfQuery => QueryHeads > 0 ? QueryHeads : HeadSize > 0 ? Query.Slice.Count / HeadSize : 0;

    private long HeadsOfKey => KeyValueHeads > 0 ? KeyValueHeads : HeadSize > 0 ? Key.Slice.Count / HeadSize : 0;

    /// <summary>Whether a number of heads is one that a model can have; larger ones would overflow what is computed from them.</summary>
    public static bool IsHeadCount(long heads) => heads is >= 1 and <= MostHeads;

    /// <summary>The site, or why the parts do not fit.</summary>
    public Match<AttentionSite> Assemble()
    {
        Match<Projection> output = OutputProjection.Reading(Attended.Value);
        if (!output.Success)
        {
            return Match<AttentionSite>.Fail(output);
        }
        (string Reason, object? Culprit)? misfit = WhyNotHeads() ?? WhyNotValues() ?? WhyNotOutput(output.Found) ?? WhyNotSources() ?? WhyNotFixed() ?? WhyNotNormalised();
        if (misfit is { } why)
        {
            return Match<AttentionSite>.Fail(why.Reason, why.Culprit);
        }
        int headSize = (int)HeadSize;
        double scale = (Scale ?? 1 / Math.Sqrt(headSize)) * Carried(Query) * Carried(Key);
        return new AttentionSite(Layer, Form, Core, (int)HeadsOfQuery, (int)HeadsOfKey, headSize, (float)scale, Query.Slice, Key.Slice, Value.Slice, output.Found,
            RotaryInside ?? RotaryCaches.Before(Query.RotaryNode, Key.RotaryNode, headSize))
        {
            QueryOperand = Operand is null ? null : Operand with { Factor = (float)Carried(Query) },
            QueryObstacle = QueryObstacle ?? WhyOtherType(output.Found),
            QueryNormalization = OverHead(NormalizationInside.Query ?? Query.Normalization),
            KeyNormalization = OverHead(NormalizationInside.Key ?? Key.Normalization),
            AreKeysRepeated = Key.IsRepeated,
            Scores = Scores,
            Cache = Cache,
            Attended = Attended,
            IsFlat = Ranks.Of(output.Found.Result) == 2,
        };
    }

    private string? WhyOtherType(Projection output) =>
        Operand is not null && Query.Type != DataType.Undefined && Query.Type != output.ElementType ? $"queries enter the core as {Query.Type}, slots are of {output.ElementType}" : null;

    private (string, object?)? WhyNotHeads() =>
        QueryHeads < 0 || KeyValueHeads < 0 || HeadSize < 1 ? ("the head size cannot be read from the graph", Core)
        : !IsHeadCount(HeadsOfQuery) || !IsHeadCount(HeadsOfKey) || HeadsOfQuery % HeadsOfKey != 0
        ? ($"{HeadsOfQuery} query heads are not a multiple of {HeadsOfKey} key/value heads", Core)
        : Query.Slice.Count != HeadsOfQuery * HeadSize || Key.Slice.Count != HeadsOfKey * HeadSize || Value.Slice.Count != Key.Slice.Count
        ? ($"projections of {Query.Slice.Count}, {Key.Slice.Count} and {Value.Slice.Count} elements do not fit {HeadsOfQuery} and {HeadsOfKey} heads of {HeadSize}", Core)
        : null;

    private (string, object?)? WhyNotValues() =>
        Value is { IsRotated: true } or { Normalization: not null } or { Factor: not 1 }
            ? ("values are changed on their way to the attention", Value.Slice.Projection.Node)
        : Key.IsRepeated != Value.IsRepeated ? ("keys are repeated for the query heads and values are not, or the other way round", Core)
        : new[] { Query, Key, Value }.FirstOrDefault(path => path.Swaps % 2 != (Attended.Layout == HeadLayout.HeadMajor ? 1 : 0)) is { } mixed
        ? ("heads reach the attention in another order than side by side", mixed.Slice.Projection.Node)
        : Key.IsRotated != Query.IsRotated ? ("a rotary embedding turns queries and not keys, or the other way round", Core)
        : null;

    private (string, object?)? WhyNotOutput(Projection output) =>
        output.InputSize != Query.Slice.Count ? ($"the output projection takes {output.InputSize} elements, the heads give {Query.Slice.Count}", output.Node)
        : output.OutputSize != Key.Slice.Projection.InputSize ? ($"the output projection gives {output.OutputSize} elements, the hidden size is {Key.Slice.Projection.InputSize}", output.Node)
        : OutputProjection.WhereHeadsAreMixed(Attended.Value, Attended.Layout) is { } mixed ? ("heads reach the output projection in another order than side by side", mixed)
        : null;

    private (string, object?)? WhyNotSources() =>
        Sources.AreSame(Query.Slice.Projection.Source, Key.Slice.Projection.Source) && Sources.AreSame(Key.Slice.Projection.Source, Value.Slice.Projection.Source)
            ? null
            : ("queries, keys and values are not projected from the same value: cross attention", Key.Slice.Projection.Node);

    /// <summary>Keys and values of tokens are computed ahead; a LoRA that callers feed would change them at run time.</summary>
    private (string, object?)? WhyNotFixed() =>
        Key.Slice.Projection.FedUpdate is { } key ? ("a LoRA whose matrices are inputs of the graph changes the keys", key)
        : Value.Slice.Projection.FedUpdate is { } value ? ("a LoRA whose matrices are inputs of the graph changes the values", value)
        : null;

    private (string, object?)? WhyNotNormalised()
    {
        foreach ((HeadNormalization? normalization, long count) in new[] { (NormalizationInside.Query ?? Query.Normalization, Query.Slice.Count), (NormalizationInside.Key ?? Key.Normalization, Key.Slice.Count) })
        {
            if (normalization is not null && Constants.Of(normalization.Weight) is var weight && weight?.Count != HeadSize && weight?.Count != count)
            {
                return ($"the normalization has {weight?.Count} weights, for heads of {HeadSize} and {count} elements", normalization.Weight);
            }
        }
        return null;
    }

    /// <summary>What heads have been multiplied with. NaN is the square root of the standard scale, which PyTorch computes from shapes.</summary>
    private double Carried(HeadsPath path) => double.IsNaN(path.Factor) ? Math.Sqrt(1 / Math.Sqrt(HeadSize)) : path.Factor;

    private HeadNormalization? OverHead(HeadNormalization? normalization) =>
        normalization is null ? null : normalization with { PerHead = Constants.Of(normalization.Weight)!.Count == HeadSize };
}
