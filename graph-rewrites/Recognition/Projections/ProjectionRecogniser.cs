using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>
/// Finds the projection that computes a value: one product with a frozen matrix; around it, in any order, a bias that is added, LoRA that is added, and Reshapes where
/// the product runs on flattened rows.
/// </summary>
internal static class ProjectionRecogniser
{
    /// <summary>How many sums may stand on each other: a bias and several LoRAs.</summary>
    private const int Steps = 8;

    /// <summary>The projection that computes a value.</summary>
    public static Match<Projection> Computing(Value result) => Computing(result, Steps);

    private static Match<Projection> Computing(Value result, int steps)
    {
        if (result.Producer is not { } node || steps == 0)
        {
            return Match<Projection>.Fail("the value is not the output of a projection", result);
        }
        Match<Projection> found = node switch
        {
            { OpType: "Add", Domain: Domains.Standard } => OfSum(node, steps),
            { OpType: "Reshape", Domain: Domains.Standard } => OfRows(node, steps),
            { OpType: "Identity", Domain: Domains.Standard } when node.Input(0) is { } same => Computing(same, steps - 1),
            _ => ProjectionKinds.Of(node),
        };
        return found.Success ? found.Found with { Result = result } : found;
    }

    /// <summary>A product of rows, [b * s, in] to [b * s, out], whose result gets its sequence dimension back.</summary>
    private static Match<Projection> OfRows(Node reshape, int steps)
    {
        Match<Projection> rows = reshape.Input(0) is { } input ? Computing(input, steps - 1) : Match<Projection>.Fail("a Reshape of nothing", reshape);
        return !rows.Success ? rows
            : KeepsLast(reshape, rows.Found.OutputSize) && Ranks.Of(rows.Found.Result) == 2 ? rows
            : Match<Projection>.Fail("the projection's result is arranged anew", reshape);
    }

    private static bool KeepsLast(Node reshape, long size) =>
        Constants.Integers(reshape.Input(1)) is { Length: > 0 } shape ? shape[^1] == size || shape[^1] == -1
        : reshape.Input(1)?.Producer is { OpType: "Concat", Inputs.Count: > 0 } join && Constants.Integers(join.Inputs[^1]) is { Length: > 0 } last && (last[^1] == size || last[^1] == -1);

    private static Match<Projection> OfSum(Node add, int steps)
    {
        foreach ((Value? sum, Value? addend) in new[] { (add.Input(0), add.Input(1)), (add.Input(1), add.Input(0)) })
        {
            if (sum is not null && addend is not null && sum != addend && Computing(sum, steps - 1) is { Success: true, Found: { } projection } && WithAddend(projection, addend) is { } whole)
            {
                return whole;
            }
        }
        return Match<Projection>.Fail("the value is a sum, not the output of a projection", add);
    }

    /// <summary>The projection with a bias or a LoRA; null where what is added is neither.</summary>
    private static Match<Projection>? WithAddend(Projection projection, Value addend)
    {
        if (Constants.Vector(addend, projection.OutputSize) is not null)
        {
            return projection.Bias is null ? (Match<Projection>)(projection with { Bias = addend }) : Match<Projection>.Fail("the projection has two biases", addend);
        }
        if (LowRankUpdates.Of(addend, projection) is not { } branch)
        {
            return null;
        }
        return branch.Update is { } update ? projection with { Updates = [.. projection.Updates, update] } : projection with { FedUpdate = branch.Node };
    }
}
