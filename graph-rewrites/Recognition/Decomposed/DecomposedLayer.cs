using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>One layer of decomposed attention: its parts are checked against each other and put together.</summary>
/// <param name="Known">What is known of shapes and numbers.</param>
/// <param name="Layer">The layer.</param>
/// <param name="Scores">From the Softmax back to queries and keys.</param>
/// <param name="Probabilities">From the Softmax to the values.</param>
/// <param name="Attended">From the values to the output projection.</param>
internal sealed record DecomposedLayer(PartialEvaluation Known, int Layer, ScorePath Scores, ProbabilityPath Probabilities, AttendedPath Attended)
{
    /// <summary>The site, or why it cannot be patched.</summary>
    public Match<AttentionSite> Assemble(string form, HeadSamples samples, IReadOnlyList<HeadSample> taken, HeadSlices slices, ScoreScale scale)
    {
        HeadSample sample = taken[0];
        int headSize = (int)samples.HeadSize;
        if (WhyNot(taken, slices, headSize) is (var reason, var culprit))
        {
            return Match<AttentionSite>.Fail(reason, culprit);
        }
        // The last key of the first sequence is that sequence's last token.
        long sequence = taken.First(first => first.Row == 0).Key.Row + 1;
        HeadOperands operands = new(Known, samples.Heads, samples.HeadSize, samples.Rows, sequence);
        if (operands.Attended(Attended) is not { } attended)
        {
            return Match<AttentionSite>.Fail("no value holds the heads of the attention output in a known layout", Probabilities.Product.Node);
        }
        HeadPart queries = new(slices.Query, samples.Heads, samples.HeadSize);
        return new AttentionSite(Layer, form, Scores.Softmax, (int)samples.Heads, (int)slices.KeyValueHeads, headSize, (float)(sample.Query.Factor * sample.Key.Factor * scale.Factor),
            slices.Query, slices.Key, slices.Value, Attended.Output, Rotary: null)
        {
            QueryOperand = operands.Queries(samples.Queries, queries, samples.Tracer),
            QueryNormalization = OverHead(sample.Query.Normalization, headSize),
            KeyNormalization = OverHead(sample.Key.Normalization, headSize),
            Scores = new ScoreFacts((float)scale.SoftCap, Sinks: SinkColumn.Of(Scores.Path), IsCausal: false),
            Cache = DecomposedCache.Of(sample),
            Attended = attended,
            IsFlat = Known.ShapeOf(Attended.Output.Result) is { Length: 2 },
        };
    }

    private (string Reason, object Culprit)? WhyNot(IReadOnlyList<HeadSample> taken, HeadSlices slices, long headSize)
    {
        (Projection query, Projection key, Projection value, Projection output) = (slices.Query.Projection, slices.Key.Projection, slices.Value.Projection, Attended.Output);
        if (!Sources.AreSame(key.Source, value.Source))
        {
            return ("keys and values are not projected from the same value", key.Node);
        }
        if (!Sources.AreSame(query.Source, key.Source))
        {
            return ("queries are projected from another value than keys and values: cross attention", key.Node);
        }
        if (output.OutputSize != key.InputSize)
        {
            return ($"the output projection gives {output.OutputSize} elements, the hidden size is {key.InputSize}", output.Node);
        }
        if ((key.FedUpdate ?? value.FedUpdate) is { } fed)
        {
            return ("a LoRA whose matrices are inputs of the graph changes the keys or values", fed);
        }
        if (taken.Any(sample => sample.Value is { Factor: not 1 } or { Normalization: not null } or { IsRotated: true }))
        {
            return ("values are scaled, normalised or rotated on their way to the attention", value.Node);
        }
        if (taken.Any(sample => sample.Query.IsRotated) != taken.Any(sample => sample.Key.IsRotated))
        {
            return ("of queries and keys only one is rotated", key.Node);
        }
        if (Misfit(taken[0].Query.Normalization, slices.Query, headSize) is { } ofQueries)
        {
            return ofQueries;
        }
        if (Misfit(taken[0].Key.Normalization, slices.Key, headSize) is { } ofKeys)
        {
            return ofKeys;
        }
        if (new VisibleKeys(Known).WhyNot(Scores) is { } reason)
        {
            return (reason, Scores.Softmax);
        }
        return !taken.Any(sample => sample.Query.IsRotated) && LearnedPositions.IsCentred(query.Source)
            ? ("its tokens are normalised by LayerNormalization and its positions are not rotary: a GPT-2-like layer, outside the LLaMA family", query.Source)
            : null;
    }

    private static (string Reason, object Culprit)? Misfit(HeadNormalization? normalization, ProjectionSlice slice, long headSize) =>
        normalization is null || Constants.Of(normalization.Weight)!.Count is var count && (count == headSize || count == slice.Count) ? null
        : ($"a normalization has {count} weights, which is neither a head of {headSize} nor the whole of {slice.Count}", normalization.Weight);

    private static HeadNormalization? OverHead(HeadNormalization? normalization, int headSize) =>
        normalization is null ? null : normalization with { PerHead = Constants.Of(normalization.Weight)!.Count == headSize };
}
