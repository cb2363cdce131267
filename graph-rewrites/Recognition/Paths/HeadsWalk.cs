using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A place on the way back from an attention core, and what was passed.</summary>
internal sealed class HeadsWalk(Value start)
{
    private (long First, long Count)? _part;
    private HeadsPath _facts = new((ProjectionSlice)null!);

    /// <summary>The value that is reached.</summary>
    public Value At { get; private set; } = start;

    /// <summary>A bias that was passed, added to the part of a packed projection.</summary>
    public BiasPart? LateBias { get; set; }

    /// <summary>What was noted on the way; the slice comes last.</summary>
    public HeadsPath Facts => _facts;

    /// <summary>Goes back to a value.</summary>
    /// <returns>Always null: a step that went has no reason.</returns>
    public string? Back(Value? value)
    {
        if (value is null)
        {
            return "an input is absent";
        }
        At = value;
        return null;
    }

    /// <summary>Notes a fact.</summary>
    public void Note(Func<HeadsPath, HeadsPath> fact) => _facts = fact(_facts);

    /// <summary>Goes back to a packed value of which the path takes a part of the last axis.</summary>
    public string? Take(long first, long count, Value? packed)
    {
        if (first is < 0 or > int.MaxValue || count is < 1 or > int.MaxValue || (_part is { } inner && inner.First + inner.Count > count))
        {
            return $"elements {first} to {first + count - 1} are no part of the packed projection";
        }
        _part = _part is { } part ? (first + part.First, part.Count) : (first, count);
        return Back(packed);
    }

    /// <summary>The path, once its projection is found.</summary>
    public Match<HeadsPath> Finish(Projection projection)
    {
        (long first, long count) = _part ?? (0, projection.OutputSize);
        return first + count > projection.OutputSize
            ? Match<HeadsPath>.Fail($"elements {first} to {first + count - 1} lie outside the packed projection of {projection.OutputSize}", projection.Node)
            : LateBias is { } bias && Constants.Of(bias.Vector)!.Count != count
            ? Match<HeadsPath>.Fail($"a bias of {Constants.Of(bias.Vector)!.Count} elements is added to {count}", bias.Vector)
            : _facts with { Slice = new ProjectionSlice(projection, first, count) { LateBias = LateBias } };
    }
}
