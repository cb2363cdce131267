namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>One element of what attention gives, with the elements of queries, keys and values that it is computed from.</summary>
/// <param name="Head">The query head.</param>
/// <param name="Element">The element of the head.</param>
/// <param name="Row">The token: row of the output projection's source.</param>
/// <param name="Query">The element of the query.</param>
/// <param name="Key">The same element of the key of the last token.</param>
/// <param name="Value">The same element of the value of the last token.</param>
internal sealed record HeadSample(long Head, long Element, long Row, TracedElement Query, TracedElement Key, TracedElement Value);

/// <summary>
/// Follows sampled elements of every head from the output projection back through probabilities and scores to the projections. What a graph does with heads (split,
/// transpose, repeat, flatten into the batch, sum over letters) need not be recognised: where the elements come from says it.
/// </summary>
internal sealed class HeadSamples(PartialEvaluation known, ScorePath scores, ProbabilityPath probabilities, AttendedPath attended)
{
    private const int MostHeads = 4096;

    private readonly ElementTracer _tracer = new(known);
    private ProductPlaces _scores = null!;
    private ProductPlaces _values = null!;
    private bool _queriesAreLeft;

    /// <summary>The size of a head: the number of products that a score sums.</summary>
    public long HeadSize => _scores.Depth;

    /// <summary>H.</summary>
    public long Heads => attended.Output.InputSize / HeadSize;

    /// <summary>The number of tokens of the batch.</summary>
    public long Rows => Coordinates.Count(known.ShapeOf(attended.Path.Start)!) / attended.Output.InputSize;

    /// <summary>The operand of the scores that holds the queries.</summary>
    public Graph.Value Queries => _queriesAreLeft ? scores.Product.Left : scores.Product.Right;

    /// <summary>The operand of the scores that holds the keys.</summary>
    public Graph.Value Keys => _queriesAreLeft ? scores.Product.Right : scores.Product.Left;

    /// <summary>Follows single elements.</summary>
    public ElementTracer Tracer => _tracer;

    /// <summary>Samples all heads.</summary>
    public Match<IReadOnlyList<HeadSample>> Take()
    {
        if (Prepare() is { } reason)
        {
            return Match<IReadOnlyList<HeadSample>>.Fail(reason, scores.Softmax);
        }
        List<HeadSample> samples = [];
        long[] elements = [.. new[] { 0, 1, HeadSize / 2, HeadSize - 1 }.Where(element => element < HeadSize).Distinct()];
        foreach ((long row, long head) in Enumerable.Range(0, (int)Heads).Select(head => (Rows - 1, (long)head)).Append((0, 0)).Append((0, Heads - 1)))
        {
            foreach (long element in elements)
            {
                Match<HeadSample> sample = Take(row, head, element);
                if (!sample.Success)
                {
                    return Match<IReadOnlyList<HeadSample>>.Fail(sample);
                }
                samples.Add(sample.Found);
            }
        }
        return samples;
    }

    private string? Prepare()
    {
        if (scores.Product.Places(known) is not { } products || probabilities.Product.Places(known) is not { } sums || known.ShapeOf(attended.Path.Start) is null)
        {
            return "the shapes of queries, keys and values do not follow from the graph";
        }
        (_scores, _values) = (products, sums);
        if (attended.Output.InputSize % HeadSize != 0 || Heads > MostHeads || Rows < 1)
        {
            return $"heads of {HeadSize} do not fit an output projection of {attended.Output.InputSize} elements";
        }
        if (_values.Depth < 2)
        {
            return "there is only one key, so that queries and keys cannot be told apart";
        }
        if (ScorePlace(0, 0) is not { } first || ScorePlace(0, _values.Depth - 1) is not { } last)
        {
            return "the probabilities that meet the values do not come from the scores element by element";
        }
        bool leftMoves = _scores.Left(first, 0) != _scores.Left(last, 0);
        bool rightMoves = _scores.Right(first, 0) != _scores.Right(last, 0);
        _queriesAreLeft = rightMoves;
        return leftMoves == rightMoves ? "the Softmax is not taken over the keys of one query" : WhyNotOverKeys(first, last);
    }

    /// <summary>The Softmax must normalise over the same axis that the product with the values sums over.</summary>
    private string? WhyNotOverKeys(long first, long last)
    {
        if (known.ShapeOf(scores.Softmax.Input(0)) is not { Length: > 0 } shape)
        {
            return "the shape of the scores does not follow from the graph";
        }
        long axis = scores.Softmax.OpType == "BiasSoftmax" ? -1 : scores.Softmax.Attributes.Int("axis", -1);
        long[] a = Coordinates.Of(ProbabilityPlace(0, 0)!.Value, shape);
        long[] b = Coordinates.Of(ProbabilityPlace(0, _values.Depth - 1)!.Value, shape);
        int[] moved = [.. Enumerable.Range(0, shape.Length).Where(at => a[at] != b[at])];
        return first != last && moved is [var only] && (only == axis || only == axis + shape.Length) ? null : "the Softmax is not taken over the keys";
    }

    private Match<HeadSample> Take(long row, long head, long element)
    {
        long channel = (head * HeadSize) + element;
        if (attended.Path.Back((row * attended.Output.InputSize) + channel, known) is not { } place || ScorePlace(place, _values.Depth - 1) is not { } score)
        {
            return Match<HeadSample>.Fail("the probabilities that meet the values do not come from the scores element by element", probabilities.Product.Node);
        }
        Match<TracedElement> query = _tracer.Trace(Queries, _queriesAreLeft ? _scores.Left(score, element) : _scores.Right(score, element));
        Match<TracedElement> key = _tracer.Trace(Keys, _queriesAreLeft ? _scores.Right(score, element) : _scores.Left(score, element));
        Match<TracedElement> value = _tracer.Trace(probabilities.Values, probabilities.IsLeft ? _values.Right(place, _values.Depth - 1) : _values.Left(place, _values.Depth - 1));
        return !query.Success ? Fail("queries", query)
            : !key.Success ? Fail("keys", key)
            : !value.Success ? Fail("values", value)
            : new HeadSample(head, element, row, query.Found, key.Found, value.Found);
    }

    private static Match<HeadSample> Fail(string what, Match<TracedElement> trace) => Match<HeadSample>.Fail($"{what}: {trace.Reason}", trace.Culprit);

    private long? ProbabilityPlace(long place, long key) =>
        probabilities.Path.Back(probabilities.IsLeft ? _values.Left(place, key) : _values.Right(place, key), known);

    private long? ScorePlace(long place, long key) => ProbabilityPlace(place, key) is { } probability ? scores.Path.Back(probability, known) : null;
}
