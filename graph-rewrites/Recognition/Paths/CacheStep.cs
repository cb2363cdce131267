using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A Concat of earlier heads from the cache and new ones behind them; in a partial rotary embedding, of what is rotated and what is not.</summary>
internal sealed class CacheStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "Concat", Domain: Domains.Standard };

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (node.Inputs.Count < 2 || node.Inputs[^1] is not { } last)
        {
            return "a Concat of one part";
        }
        if (node.Inputs.Any(part => part is not null && DecomposedRotary.SourceOf(part) is not null))
        {
            walk.Note(facts => facts with { IsRotated = true });
        }
        else if (node.Inputs is [{ IsGraphInput: true } past, _] && walk.Facts.Cache is null)
        {
            Value present = walk.At;
            walk.Note(facts => facts with { Cache = (past, present) });
        }
        return walk.Back(last);
    }
}
