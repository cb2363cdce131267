using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// What a graph says about the shapes of its values, and about the few numbers that shapes, scales and masks consist of, when <see cref="StandInSizes"/> replace the
/// sizes that it leaves open. Weights are never read. What cannot be computed is unknown, never guessed.
/// </summary>
internal sealed class PartialEvaluation
{
    private const int MostStoredFloats = 64;

    private readonly OnnxModel _model;
    private readonly StandInSizes _sizes;
    private readonly Func<Value, long[], Known> _inputs;
    private readonly Dictionary<Value, Known> _known = [];
    private readonly Dictionary<Value, LayoutMap?> _layouts = [];

    private PartialEvaluation(OnnxModel model, StandInSizes sizes, Func<Value, long[], Known> inputs)
    {
        _model = model;
        _sizes = sizes;
        _inputs = inputs;
    }

    /// <summary>Evaluates a whole model; inputs have shapes but no numbers.</summary>
    public static PartialEvaluation Of(OnnxModel model)
    {
        PartialEvaluation evaluation = new(model, new StandInSizes(model.Graph.Inputs), (_, shape) => new Known(shape));
        evaluation.EvaluateAll(NodeOrder.Topological(model.Graph.Nodes));
        return evaluation;
    }

    /// <summary>Evaluates what a value depends on, with numbers for the inputs of integers and truth values.</summary>
    /// <param name="value">The value.</param>
    /// <param name="inputs">The numbers of an input of that shape.</param>
    public Known With(Value value, Func<Value, long[], Known> inputs)
    {
        PartialEvaluation evaluation = new(_model, _sizes, inputs);
        IReadOnlySet<Node> needed = NodeOrder.Reaching([value], _model.Graph);
        evaluation.EvaluateAll(NodeOrder.Topological([.. needed]));
        return evaluation[value];
    }

    /// <summary>What is known of a value.</summary>
    public Known this[Value? value]
    {
        get
        {
            if (value is null)
            {
                return Known.Nothing;
            }
            if (!_known.TryGetValue(value, out Known? known))
            {
                known = OfLeaf(value);
                _known.Add(value, known);
            }
            return known;
        }
    }

    /// <summary>The shape of a value; null where it is not known.</summary>
    public long[]? ShapeOf(Value? value) => this[value].Shape;

    /// <summary>Where the elements of a value stand in what it is rearranged from; null where its operator does more than rearrange, or sizes are not known.</summary>
    public LayoutMap? LayoutOf(Value value)
    {
        if (!_layouts.TryGetValue(value, out LayoutMap? layout))
        {
            layout = value.Producer is { } node ? Guarded(() => LayoutMap.Of(node, Index(node, value), this), null) : null;
            _layouts.Add(value, layout);
        }
        return layout;
    }

    private static int Index(Node node, Value output)
    {
        int index = 0;
        while (node.Outputs[index] != output)
        {
            index++;
        }
        return index;
    }

    private void EvaluateAll(IEnumerable<Node> nodes)
    {
        foreach (Node node in nodes)
        {
            foreach (Value output in node.Outputs.OfType<Value>())
            {
                _known[output] = Guarded(() => Evaluate(node, output), null) ?? Known.Nothing;
            }
        }
    }

    private Known Evaluate(Node node, Value output)
    {
        Known known = LayoutOf(output) is { } layout ? Rearranged(node, layout)
            : node.Domain == Domains.Standard && NumberRules.Of(node, this) is { } numbers ? numbers
            : ShapeRules.Of(node, Index(node, output), this) is { } shape ? new Known(shape)
            : Known.Nothing;
        return known.Shape is null && _sizes.DeclaredShapeOf(output) is { } declared ? new Known(declared) : known;
    }

    private Known Rearranged(Node node, LayoutMap layout)
    {
        long count = Coordinates.Count(layout.Shape);
        Known first = this[node.Input(layout.FirstInput)];
        if (count > Known.MostNumbers || first.Numbers is null)
        {
            return new Known(layout.Shape);
        }
        double[] numbers = new double[count];
        for (long place = 0; place < count; place++)
        {
            (int input, long source) = layout.Origin(place);
            if (this[node.Input(input)].Numbers is not { } known)
            {
                return new Known(layout.Shape);
            }
            numbers[place] = known[source];
        }
        return node.OpType == "Cast" ? NumberRules.Cast(node, layout.Shape, numbers) : new Known(layout.Shape, numbers, first.IsInteger);
    }

    private Known OfLeaf(Value value) =>
        value.Initializer is { } stored ? Guarded(() => OfTensor(stored), null) ?? new Known([.. stored.Shape])
        : _sizes.ShapeOf(value) is { } shape ? Guarded(() => _inputs(value, shape), null) ?? new Known(shape)
        : Known.Nothing;

    /// <summary>A stored tensor; its numbers are read only where they are few.</summary>
    public static Known OfTensor(Tensor tensor)
    {
        long[] shape = [.. tensor.Shape];
        long count = Coordinates.Count(shape);
        return tensor.ElementType switch
        {
            DataType.Int64 or DataType.Int32 when count <= Known.MostNumbers => new Known(shape, Array.ConvertAll(tensor.ReadInt64s(), number => (double)number), IsInteger: true),
            DataType.Bool when count <= Known.MostNumbers => new Known(shape, Array.ConvertAll(tensor.ReadBytes(), number => (double)number), IsInteger: true),
            DataType.Float or DataType.Float16 or DataType.Bfloat16 when count <= MostStoredFloats => new Known(shape, Array.ConvertAll(tensor.ReadSingles(), number => (double)number)),
            _ => new Known(shape),
        };
    }

    /// <summary>A node that breaks its operator's rules, and a tensor that cannot be read, give nothing that could be relied on: what it computes is unknown, and so is what follows from it.</summary>
    private static T? Guarded<T>(Func<T?> compute, T? otherwise)
    {
        try
        {
            return compute();
        }
        catch (Exception broken) when (broken is ModelRefusedException or ArgumentException or IndexOutOfRangeException or OverflowException or DivideByZeroException)
        {
            return otherwise;
        }
    }
}
