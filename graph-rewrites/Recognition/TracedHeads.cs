using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;
using AlignerOnnx.GraphRewrites.Recognition.Paths;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>An operand of a fused attention core.</summary>
/// <param name="Value">The value.</param>
/// <param name="Heads">Its heads; 0 where they are a dimension of it.</param>
/// <param name="Layout">How it arranges them.</param>
internal sealed record HeadsOperand(Value Value, long Heads, HeadLayout Layout);

/// <summary>
/// Follows the operands of fused cores back to their projections, operator by operator (<see cref="HeadsPath"/>), and element by element: samples of every head show
/// whether heads come in the order that the operators suggest, and find the way where operators are arranged as no step knows.
/// </summary>
/// <param name="known">What is known of shapes.</param>
internal sealed class TracedHeads(Lazy<PartialEvaluation> known)
{
    private const int Steps = 32;
    private const int MostHeads = 4096;

    private ElementTracer? _tracer;

    /// <summary>The ways of several operands, or why one has none.</summary>
    public Match<HeadsPath[]> To(params ReadOnlySpan<HeadsOperand> operands)
    {
        HeadsPath[] paths = new HeadsPath[operands.Length];
        for (int i = 0; i < paths.Length; i++)
        {
            Match<HeadsPath> path = To(operands[i]);
            if (!path.Success)
            {
                return Match<HeadsPath[]>.Fail(path);
            }
            paths[i] = path.Found;
        }
        return paths;
    }

    /// <summary>The way of one operand.</summary>
    public Match<HeadsPath> To(HeadsOperand operand)
    {
        Match<HeadsPath> followed = HeadsPath.To(operand.Value);
        Match<HeadsPath>? sampled = Sample(operand);
        return sampled is null || (!followed.Success && !sampled.Success) ? followed
            : !followed.Success || !sampled.Success ? sampled
            : AreSame(followed.Found.Slice, sampled.Found.Slice) ? followed
            : Match<HeadsPath>.Fail("heads reach the attention in another order than side by side", followed.Found.Slice.Projection.Node);
    }

    /// <summary>A late bias is no part of what samples see of a projection.</summary>
    private static bool AreSame(ProjectionSlice followed, ProjectionSlice sampled) =>
        followed.Projection.Node == sampled.Projection.Node && (followed.First, followed.Count, followed.BlockStride) == (sampled.First, sampled.Count, sampled.BlockStride);

    /// <summary>The way that samples show; null where shapes do not follow from the graph, or an element cannot be followed.</summary>
    private Match<HeadsPath>? Sample(HeadsOperand operand)
    {
        if (Dimensions(operand) is not (var heads, var size, var rows) || heads is < 1 or > MostHeads || size < 1 || rows < 1)
        {
            return null;
        }
        _tracer ??= new ElementTracer(known.Value);
        List<(HeadSample Sample, TracedElement Element)> samples = [];
        foreach (long head in Enumerable.Range(0, (int)heads))
        {
            foreach (long element in new[] { 0, 1, size / 2, size - 1 }.Where(element => element < size).Distinct())
            {
                Match<TracedElement> traced = _tracer.Trace(operand.Value, PlaceOf(operand.Layout, heads, size, rows, head, element));
                if (!traced.Success || IsOfAnotherSequence(traced.Found))
                {
                    return null;
                }
                samples.Add((new HeadSample(head, element, 0, traced.Found, traced.Found, traced.Found), traced.Found));
            }
        }
        Match<HeadPart> part = HeadPart.Of("heads", [.. samples], size);
        return !part.Success ? Match<HeadsPath>.Fail(part)
            : heads % part.Found.Heads != 0 || samples.Any(sample => sample.Element.Row != samples[0].Element.Row || sample.Element.Channel != part.Found.Slice.OutputOf((sample.Sample.Head * part.Found.Heads / heads * size) + sample.Sample.Element))
            ? Match<HeadsPath>.Fail("heads reach the attention in another order than side by side", part.Found.Slice.Projection.Node)
            : PathOf(operand, part.Found, samples[0].Element, heads);
    }

    /// <summary>Exports that were traced with one sequence write its number into sizes: they say nothing about two.</summary>
    private bool IsOfAnotherSequence(TracedElement element) => known.Value.ShapeOf(element.Projection.Result) is [_, var sequence, _] && element.Row >= sequence;

    private static HeadsPath PathOf(HeadsOperand operand, HeadPart part, TracedElement element, long heads) => new(part.Slice)
    {
        Normalization = element.Normalization,
        IsRotated = element.IsRotated,
        RotaryNode = element.RotaryNode,
        Swaps = operand.Layout == HeadLayout.HeadMajor ? 1 : 0,
        IsRepeated = part.Heads != heads,
        Factor = element.Factor,
        HeadSize = part.Size,
        Type = TypeOf(operand.Value),
        Cache = element.CacheJoin is { Inputs: [{ IsGraphInput: true } past, _] } join ? (past, join.Output) : null,
    };

    private (long Heads, long Size, long Rows)? Dimensions(HeadsOperand operand) => (operand.Layout, known.Value.ShapeOf(operand.Value)) switch
    {
        (HeadLayout.HeadMajor, [_, var heads, var rows, var size]) => (heads, size, rows),
        (HeadLayout.SequenceMajor, [_, var rows, var width]) when operand.Heads > 0 && width % operand.Heads == 0 => (operand.Heads, width / operand.Heads, rows),
        _ => null,
    };

    /// <summary>The place of an element of the last token of the first sequence.</summary>
    private static long PlaceOf(HeadLayout layout, long heads, long size, long rows, long head, long element) =>
        layout == HeadLayout.HeadMajor ? (((head * rows) + rows - 1) * size) + element : ((((rows - 1) * heads) + head) * size) + element;

    /// <summary>The type that the nearest Cast gives; undefined where there is none.</summary>
    private static DataType TypeOf(Value value)
    {
        Value? at = value;
        for (int step = 0; step < Steps && at?.Producer is { } node; step++)
        {
            if (node.OpType == "Cast")
            {
                return (DataType)node.Attributes.Int("to", 0);
            }
            at = node.Input(0);
        }
        return DataType.Undefined;
    }
}
