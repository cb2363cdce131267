using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A bias that is added to the part of a packed projection, after it was cut.</summary>
internal sealed class LateBiasStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "Add", Domain: Domains.Standard } add && BiasOf(add) is not null;

    public string? Pass(HeadsWalk walk)
    {
        (Value bias, Value sum) = BiasOf(walk.At.Producer!)!.Value;
        if (walk.LateBias is not null)
        {
            return "the projection has two biases";
        }
        walk.LateBias = new BiasPart(bias, 0);
        return walk.Back(sum);
    }

    private static (Value Bias, Value Sum)? BiasOf(Node add) =>
        Constants.Of(add.Input(1)) is { Shape.Count: 1 } && add.Input(0) is { } first ? (add.Input(1)!, first)
        : Constants.Of(add.Input(0)) is { Shape.Count: 1 } && add.Input(1) is { } second ? (add.Input(0)!, second)
        : null;
}
