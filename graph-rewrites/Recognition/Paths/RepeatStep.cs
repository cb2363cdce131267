using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>Key/value heads repeated for the query heads that share them: [b, G, s, size] -> [b, G, 1, s, size] -> [b, G, r, s, size], heads of a group side by side.</summary>
internal sealed class RepeatStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "Expand" or "Tile", Domain: Domains.Standard };

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (node.Input(0)?.Producer is not { OpType: "Unsqueeze" } unsqueeze || AxesOf(unsqueeze) is not ([2] or [-3]))
        {
            // Another order would let query heads meet the keys of another group.
            return "key/value heads are repeated in another order than side by side";
        }
        walk.Note(facts => facts with { IsRepeated = true });
        return walk.Back(node.Input(0));
    }

    private static long[]? AxesOf(Node node) => node.Attributes.Ints("axes") is { } axes ? [.. axes] : Constants.Integers(node.Input(1));
}
