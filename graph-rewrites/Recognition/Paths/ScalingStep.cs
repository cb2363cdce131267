using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>Heads multiplied with a number: the score scale, or a part of it.</summary>
internal sealed class ScalingStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "Mul" or "Div", Domain: Domains.Standard };

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (walk.Facts.Normalization is not null || walk.LateBias is not null)
        {
            return "it is multiplied before its normalization or bias";
        }
        foreach ((Value? number, Value? rest) in new[] { (node.Input(1), node.Input(0)), (node.Input(0), node.Input(1)) })
        {
            if (Constants.Number(number) is float factor && (node.OpType == "Mul" || number == node.Input(1)))
            {
                walk.Note(facts => facts with { Factor = node.OpType == "Mul" ? facts.Factor * factor : facts.Factor / factor });
                return walk.Back(rest);
            }
        }
        // PyTorch scales queries and keys by the square root of a number that it computes from their shape: the standard scale, half of it on each side.
        if (node.Inputs.FirstOrDefault(input => input?.Producer is { OpType: "Sqrt" }) is { } root && node.Inputs.FirstOrDefault(input => input != root) is { } scaled)
        {
            walk.Note(facts => facts with { Factor = double.NaN });
            return walk.Back(scaled);
        }
        return $"{node.OpType} is not a projection";
    }
}
