using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A rotary embedding in elementary operators.</summary>
internal sealed class DecomposedRotaryStep : IPathStep
{
    public bool LooksFor(Value value) => DecomposedRotary.SourceOf(value) is not null;

    public string? Pass(HeadsWalk walk)
    {
        walk.Note(facts => facts with { IsRotated = true });
        return walk.Back(DecomposedRotary.SourceOf(walk.At));
    }
}
