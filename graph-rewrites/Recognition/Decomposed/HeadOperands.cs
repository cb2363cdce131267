using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Finds the values of the graph that hold all heads of a layer in a layout that a rewrite can work with.</summary>
/// <param name="known">Shapes.</param>
/// <param name="heads">H.</param>
/// <param name="size">The head size.</param>
/// <param name="rows">The number of tokens of the batch.</param>
/// <param name="sequence">The number of tokens of a sequence.</param>
internal sealed class HeadOperands(PartialEvaluation known, long heads, long size, long rows, long sequence)
{
    private const int Steps = 12;

    /// <summary>The queries, normalised and rotated, nearest to the scores; null where no value holds them in a known layout.</summary>
    public QueryOperand? Queries(Value operand, HeadPart part, ElementTracer tracer)
    {
        Value value = operand;
        for (int step = 0; step < Steps; step++)
        {
            if (LayoutOf(value, (place, row, head, _) => tracer.Trace(value, place) is { Success: true, Found: var element } && element.Row == row && part.HeadOf(element) == head) is { } layout)
            {
                return new QueryOperand(value, layout, IsPacked: false, IsNormalised: true, IsRotated: true) { Factor = (float)tracer.Trace(value, 0).Found!.Factor };
            }
            if (value.Producer is not { OpType: "Reshape" or "Transpose" or "Expand" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Mul" or "Div" } node)
            {
                return null;
            }
            value = node.OpType == "Mul" && ScoreScale.Constant(node, node.Input(0)!, known) is null ? node.Input(1)! : node.Input(0)!;
        }
        return null;
    }

    /// <summary>What attention gives, nearest to the product with the values; null where no value holds it in a known layout.</summary>
    public HeadsValue? Attended(AttendedPath attended)
    {
        foreach (Value value in attended.Path.Values.Reverse())
        {
            PlacePath path = attended.Path.UpTo(value);
            if (LayoutOf(value, (place, row, head, element) => path.Back((((row * heads) + head) * size) + element, known) == place) is { } layout)
            {
                return new HeadsValue(value, layout);
            }
        }
        return null;
    }

    private HeadLayout? LayoutOf(Value value, Func<long, long, long, long, bool> holds) => known.ShapeOf(value) is not { } shape ? null
        : (HeadLayout?)new[] { HeadLayout.HeadMajor, HeadLayout.SequenceHeads, HeadLayout.SequenceMajor }.Where(layout => shape.AsSpan().SequenceEqual(ShapeOf(layout)))
            .Where(layout => Corners().All(corner => holds(Place(layout, corner), corner.Row, corner.Head, corner.Element))).Select(layout => (HeadLayout?)layout).FirstOrDefault();

    private long[] ShapeOf(HeadLayout layout) => layout switch
    {
        HeadLayout.HeadMajor => [rows / sequence, heads, sequence, size],
        HeadLayout.SequenceHeads => [rows / sequence, sequence, heads, size],
        _ => [rows / sequence, sequence, heads * size],
    };

    private long Place(HeadLayout layout, (long Row, long Head, long Element) at) => layout == HeadLayout.HeadMajor
        ? (((((at.Row / sequence) * heads) + at.Head) * sequence) + (at.Row % sequence)) * size + at.Element
        : (((at.Row * heads) + at.Head) * size) + at.Element;

    /// <summary>Elements that stand at different places in every layout.</summary>
    private IEnumerable<(long Row, long Head, long Element)> Corners() => new[] { 0, rows - 1 }.SelectMany(row => new[] { 0, heads - 1 }.SelectMany(head => new[] { 0, size - 1 }.Select(element => (row, head, element)))).Distinct();
}
