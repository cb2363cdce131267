using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A Concat of earlier heads from the cache and new ones behind them.</summary>
internal sealed class CacheStep : IPathStep
{
    private const int Steps = 8;

    public bool LooksFor(Value value) => value.Producer is { OpType: "Concat", Domain: Domains.Standard };

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (node.Inputs.Count < 2 || node.Inputs[^1] is not { } last)
        {
            return "a Concat of one part";
        }
        if (!node.Inputs.SkipLast(1).All(IsCached))
        {
            // Which elements a partial rotary embedding turns is for each element to show: one of its parts is not where the heads come from.
            return node.Inputs.Any(part => part is not null && DecomposedRotary.SourceOf(part) is not null)
                ? "a part of each head is rotated, and sizes do not follow from the graph"
                : "heads are joined with others than those of the cache";
        }
        if (node.Inputs is [{ IsGraphInput: true } past, _] && walk.Facts.Cache is null)
        {
            Value present = walk.At;
            walk.Note(facts => facts with { Cache = (past, present) });
        }
        return walk.Back(last);
    }

    /// <summary>Whether a value is what callers give of earlier tokens, arranged or converted, or what the model always has before them.</summary>
    private static bool IsCached(Value? part)
    {
        for (int step = 0; step < Steps && part is not null; step++)
        {
            if (part.IsGraphInput || Constants.Of(part) is not null)
            {
                return true;
            }
            part = part.Producer is { OpType: "Cast" or "Identity" or "Transpose" or "Reshape" or "Slice" or "Gather" or "Split" or "Squeeze" or "Unsqueeze" or "DequantizeLinear" or "Expand" } node ? node.Input(0) : null;
        }
        return false;
    }
}
