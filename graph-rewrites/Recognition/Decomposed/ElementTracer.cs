using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Follows single elements of queries, keys and values back to their projections: through everything that rearranges, through factors, root-mean-square normalizations
/// and rotary embeddings. Whatever else stands in the way is the reason why a layer cannot be patched.
/// </summary>
internal sealed class ElementTracer(PartialEvaluation known)
{
    private const int Steps = 96;

    private readonly Dictionary<Value, Match<Projection>> _projections = [];
    private readonly Dictionary<Value, (HeadNormalization Normalization, Value Source)?> _normalizations = [];

    /// <summary>Follows one element.</summary>
    /// <param name="value">The value that holds it.</param>
    /// <param name="place">Its place.</param>
    public Match<TracedElement> Trace(Value value, long place) => Trace(value, place, isRotating: false);

    private Match<TracedElement> Trace(Value value, long place, bool isRotating)
    {
        TracedElement passed = new(null!, 0);
        for (int step = 0; step < Steps; step++)
        {
            if (ProjectionOf(value) is { Success: true } projection)
            {
                return passed with { Projection = projection.Found, Place = place };
            }
            if (value.Producer is not { } node)
            {
                return Match<TracedElement>.Fail(value.IsGraphInput ? "the graph takes it as an input, it is not projected from the layer's tokens" : "it is a constant, not the output of a projection", value);
            }
            if (known.LayoutOf(value) is { } layout)
            {
                if (layout.Source(place) is not (var input, var source))
                {
                    return Match<TracedElement>.Fail($"the sizes of the {node.OpType} leave no place for it", node);
                }
                place = source;
                passed = node.OpType == "Concat" && IsCached(node, input) ? passed with { CacheJoin = node } : passed;
                value = node.Input(input)!;
            }
            else if (NormalizationOf(value) is (var normalization, var unnormalised))
            {
                if (passed.Normalization is not null)
                {
                    return Match<TracedElement>.Fail("it is normalised twice", node);
                }
                passed = passed with { Normalization = normalization };
                value = unnormalised;
            }
            else if (node.OpType == "RotaryEmbedding" && node.Input(0) is { } unrotated)
            {
                passed = passed with { RotaryNode = node };
                value = unrotated;
            }
            else if (node.OpType is "Mul" or "Div" && Scaled(node) is (var factor, var unscaled))
            {
                passed = passed with { Factor = passed.Factor * factor };
                value = unscaled;
            }
            else if (isRotating && node.Is("Neg") && node.Input(0) is { } negated)
            {
                value = negated;
            }
            else if (!isRotating && node.OpType is "Add" or "Sub")
            {
                return Rotated(value, node, place, passed);
            }
            else
            {
                return Match<TracedElement>.Fail(WhyNot(value, node), node);
            }
        }
        return Match<TracedElement>.Fail("no projection was found behind it", value);
    }

    /// <summary>x cos + y sin or x cos - y sin: both elements come from the same head of the same token, or it is no rotary embedding.</summary>
    private Match<TracedElement> Rotated(Value sum, Node node, long place, TracedElement passed)
    {
        Match<TracedElement> first = Turned(sum, node.Input(0), place);
        Match<TracedElement> second = Turned(sum, node.Input(1), place);
        if (!first.Success || !second.Success)
        {
            string reason = ProjectionOf(sum).Reason!;
            return Match<TracedElement>.Fail(!first.Success && !second.Success ? reason : $"{reason}; nor is it a rotary embedding", node);
        }
        TracedElement element = first.Found;
        bool isOne = element.Projection.Node == second.Found.Projection.Node && element.Row == second.Found.Row && element.Factor == second.Found.Factor && element.Normalization == second.Found.Normalization;
        return !isOne ? Match<TracedElement>.Fail("the two parts of a rotary embedding do not come from the same token", node)
            : passed.Normalization is not null && element.Normalization is not null ? Match<TracedElement>.Fail("it is normalised twice", node)
            : element with { Partner = second.Found.Place, Factor = element.Factor * passed.Factor, CacheJoin = passed.CacheJoin, Normalization = element.Normalization ?? passed.Normalization };
    }

    /// <summary>One product of a rotary embedding: the operand that leads to a projection; the other one is a cosine or sine.</summary>
    private Match<TracedElement> Turned(Value sum, Value? term, long place)
    {
        while (term?.Producer is { OpType: "Cast" or "Identity" } same)
        {
            term = same.Input(0);
        }
        if (term?.Producer is not { OpType: "Mul" } product || known.ShapeOf(sum) is not { } shape || known.ShapeOf(term) is not { } size || !shape.AsSpan().SequenceEqual(size))
        {
            return Match<TracedElement>.Fail("the sum is no rotary embedding", sum);
        }
        Match<TracedElement> found = Match<TracedElement>.Fail("the product has no operands", product);
        foreach (Value operand in product.Inputs.OfType<Value>().Where(operand => known.ShapeOf(operand)?.AsSpan().SequenceEqual(shape) == true))
        {
            found = Trace(operand, place, isRotating: true);
            if (found.Success)
            {
                return found;
            }
        }
        return found;
    }

    private (double Factor, Value Source)? Scaled(Node node)
    {
        foreach (Value operand in node.Inputs.OfType<Value>())
        {
            if (ScoreScale.Constant(node, operand, known) is { } factor)
            {
                return (factor, operand);
            }
        }
        return null;
    }

    private static bool IsCached(Node join, int input) => join.Inputs.Where((_, index) => index != input).Any(part => part is { IsGraphInput: true } || part?.Producer?.Inputs.Any(source => source is { IsGraphInput: true }) == true);

    private string WhyNot(Value value, Node node) => node.OpType switch
    {
        "ScatterND" or "ScatterElements" => $"it is written into a buffer by {node.OpType}",
        "LayerNormalization" => "it is normalised by LayerNormalization, which no LLaMA-family attention does",
        "Reshape" or "Expand" or "Slice" or "Split" or "Concat" or "Transpose" or "Squeeze" or "Unsqueeze" or "Gather" or "Tile" => $"the sizes of the {node.OpType} do not follow from the graph",
        _ => ProjectionOf(value).Reason ?? $"{node.OpType} is not a projection",
    };

    private Match<Projection> ProjectionOf(Value value)
    {
        if (!_projections.TryGetValue(value, out Match<Projection>? projection))
        {
            projection = ProjectionRecogniser.Computing(value);
            _projections.Add(value, projection);
        }
        return projection;
    }

    private (HeadNormalization Normalization, Value Source)? NormalizationOf(Value value)
    {
        if (!_normalizations.TryGetValue(value, out (HeadNormalization Normalization, Value Source)? normalization))
        {
            normalization = RootMeanSquare.Computing(value);
            _normalizations.Add(value, normalization);
        }
        return normalization;
    }
}
