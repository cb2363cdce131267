using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A part of a packed projection, cut out by Split or Slice along the last axis.</summary>
internal sealed class PartStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "Split" or "Slice", Domain: Domains.Standard };

    public string? Pass(HeadsWalk walk) => walk.At.Producer!.OpType == "Split" ? OfSplit(walk, walk.At.Producer) : OfSlice(walk, walk.At.Producer);

    private static string? OfSplit(HeadsWalk walk, Node split)
    {
        if (!IsLast(split.Attributes.Int("axis", 0), split))
        {
            return "the packed projection is split along another axis than the last";
        }
        int part = split.Outputs.ToList().IndexOf(walk.At);
        long[]? sizes = split.Attributes.Ints("split") is { } given ? [.. given] : split.Input(1) is { } list ? Constants.Integers(list) : EqualParts(split);
        return sizes is null || part >= sizes.Length || sizes.Any(size => size is < 0 or > int.MaxValue)
            ? "the parts of the packed projection have no constant sizes"
            : walk.Take(sizes.Take(part).Sum(), sizes[part], split.Input(0));
    }

    private static long[]? EqualParts(Node split) =>
        SizeOf(split.Input(0)) is long size && size % split.Outputs.Count == 0 ? [.. split.Outputs.Select(_ => size / split.Outputs.Count)] : null;

    private static string? OfSlice(HeadsWalk walk, Node slice)
    {
        if (Constants.Integers(slice.Input(1)) is not [long first] || Constants.Integers(slice.Input(2)) is not [long end] || SizeOf(slice.Input(0)) is not long size
            || (Constants.Integers(slice.Input(4)) ?? [1]) is not [1])
        {
            return "the part of the packed projection has no constant bounds";
        }
        if (Constants.Integers(slice.Input(3)) is not [long axis] || !IsLast(axis, slice))
        {
            return "the packed projection is cut along another axis than the last";
        }
        first = first < 0 ? size + first : first;
        end = end < 0 ? size + end : Math.Min(end, size);
        return walk.Take(first, end - first, slice.Input(0));
    }

    private static bool IsLast(long axis, Node node) => axis == -1 || (Ranks.Of(node.Input(0)) ?? 3) - 1 == axis;

    /// <summary>Elements along the last axis of a packed value: those of the projection behind it, its bias added or not yet.</summary>
    private static long? SizeOf(Value? packed) => packed is not null && ProjectionRecogniser.Computing(packed) is { Success: true } projection ? projection.Found.OutputSize : null;
}
