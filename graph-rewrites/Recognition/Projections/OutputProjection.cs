using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Finds the projection that reads what attention gives, behind changes of layout, and follows its result to the end of its biases and LoRA.</summary>
internal static class OutputProjection
{
    private const int Steps = 12;

    /// <summary>The output projection.</summary>
    /// <param name="attended">What the attention core gives.</param>
    public static Match<Projection> Reading(Value attended)
    {
        Value at = attended;
        for (int step = 0; step < Steps; step++)
        {
            Node[] readers = Readers(at);
            if (readers.Length == 0)
            {
                return Match<Projection>.Fail("the attention output does not go into an output projection", at);
            }
            if (readers is [{ } only] && IsLayout(only))
            {
                at = only.Output;
                continue;
            }
            return Among(readers, at);
        }
        return Match<Projection>.Fail("the attention output does not go into an output projection", at);
    }

    /// <summary>The Transpose that keeps heads from standing side by side when they reach the output projection; null where they do.</summary>
    /// <param name="attended">What the attention core gives.</param>
    /// <param name="layout">How it arranges the heads.</param>
    public static Node? WhereHeadsAreMixed(Value attended, HeadLayout layout)
    {
        bool sequenceFirst = layout != HeadLayout.HeadMajor;
        Node? last = attended.Producer;
        Value at = attended;
        for (int step = 0; step < Steps && Readers(at) is [{ } only] && IsLayout(only); step++)
        {
            if (only.OpType == "Transpose")
            {
                if (sequenceFirst || only.Attributes.Ints("perm") is not [0, 2, 1, 3])
                {
                    return only;
                }
                sequenceFirst = true;
            }
            last = only;
            at = only.Output;
        }
        return sequenceFirst ? null : last;
    }

    private static bool IsLayout(Node node) => node.Outputs is [{ }, ..] && node.OpType is "Reshape" or "Transpose" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Dropout";

    /// <summary>Nodes that read the numbers; those that read the shape do not count.</summary>
    private static Node[] Readers(Value value) => [.. value.Uses.Where(use => use.Input != Use.Subgraph && use.Node.OpType != "Shape").Select(use => use.Node).Distinct()];

    /// <summary>Of several readers, the projection beside its LoRA: the one whose result no other product reads.</summary>
    private static Match<Projection> Among(Node[] readers, Value at)
    {
        if (readers.Length == 1)
        {
            return WhyChanged(readers[0]) is { } reason ? Match<Projection>.Fail(reason, readers[0]) : End(readers[0], at);
        }
        Match<Projection>[] all = [.. readers.Select(node => End(node, at))];
        Match<Projection>[] found = [.. all.Where(match => match.Success && match.Found.Result.Uses.All(use => !ProjectionKinds.Of(use.Node).Success))];
        return found switch
        {
            // A LoRA that callers feed reads the attention output by a product whose matrix is no constant.
            [{ Found: { } only } match] when only.FedUpdate is not null || all.All(other => other.Success) => match,
            [] or [_] => all.FirstOrDefault(match => !match.Success) ?? Match<Projection>.Fail("the attention output does not go into an output projection", at),
            _ => Match<Projection>.Fail($"the attention output goes into {found.Length} projections", at),
        };
    }

    private static string? WhyChanged(Node reader) => reader.OpType switch
    {
        "Mul" => "the attention output is multiplied before its projection (a gate): what a token adds would depend on the sequence",
        "Add" or "Sub" or "Concat" or "Sum" => "the attention output is combined with another value before its projection",
        "SimplifiedLayerNormalization" or "RMSNormalization" or "LayerNormalization" => "the attention output is normalised before its projection: what a token adds would depend on the sequence",
        _ => null,
    };

    private static Match<Projection> End(Node node, Value source)
    {
        Match<Projection> projection = node.Input(0) == source ? ProjectionKinds.Of(node) : Match<Projection>.Fail("the attention output is not the first factor of a projection", node);
        for (int step = 0; step < Steps && projection.Success && OnlyReader(projection.Found.Result) is { } next; step++)
        {
            if (next.OpType is not ("Add" or "Reshape") || ProjectionRecogniser.Computing(next.Output) is not { Success: true } longer || longer.Found.Node != node)
            {
                break;
            }
            projection = longer;
        }
        return projection is { Success: true, Found.Result: { IsGraphOutput: true } result } && result.Uses.Any(use => use.Input == Use.Subgraph)
            ? Match<Projection>.Fail("the layer's output is read by a subgraph and by callers", result)
            : projection;
    }

    private static Node? OnlyReader(Value value) => !value.IsGraphOutput && Readers(value) is [{ } only] && value.Uses.All(use => use.Input != Use.Subgraph) ? only : null;
}
