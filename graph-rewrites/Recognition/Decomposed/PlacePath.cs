using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Values of which each is computed from the next, element by element or by rearranging.</summary>
/// <param name="Values">The values, the last computed one first.</param>
internal sealed record PlacePath(IReadOnlyList<Value> Values)
{
    /// <summary>The first value: what the path computes.</summary>
    public Value Start => Values[0];

    /// <summary>The last value: what it is computed from.</summary>
    public Value End => Values[^1];

    /// <summary>The operators on the way with the value that each reads of the path.</summary>
    public IEnumerable<(Node Node, Value Next)> Steps => Values.Skip(1).Select((next, index) => (Values[index].Producer!, next));

    /// <summary>The path from the start to one of its values.</summary>
    public PlacePath UpTo(Value value) => new([.. Values.TakeWhile(at => at != value), value]);

    /// <summary>The place in the end that a place in the start comes from; null where it comes from elsewhere, or a shape is not known.</summary>
    public long? Back(long place, PartialEvaluation known)
    {
        for (int step = 0; step + 1 < Values.Count; step++)
        {
            (Value value, Value next) = (Values[step], Values[step + 1]);
            LayoutMap? layout = known.LayoutOf(value);
            LayoutMap? map = layout ?? (known.ShapeOf(value) is { } large && known.ShapeOf(next) is { } small ? LayoutMap.Repeat(small, large) : null);
            if (map?.Source(place) is not (var input, var source) || (layout is not null && value.Producer!.Input(input) != next))
            {
                return null;
            }
            place = source;
        }
        return place;
    }
}
