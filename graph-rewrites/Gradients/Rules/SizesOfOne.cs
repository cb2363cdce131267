using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>Which axes of a value surely have size 1: by its declared shape, or because a reduction has just made them.</summary>
internal static class SizesOfOne
{
    private const int Steps = 6;

    /// <summary>The axes, as the graph counts them; null where nothing is known.</summary>
    public static IReadOnlyList<long>? Of(Value value) => Of(value, Steps);

    private static IReadOnlyList<long>? Of(Value value, int steps) =>
        value.Type?.TensorType?.Shape is { } declared ? Ones([.. declared.Dim.Select(dimension => dimension.DimValue)])
        : value.Initializer is { } stored ? Ones(stored.Shape)
        : steps > 0 && value.Producer is { } producer ? Computed(producer, steps - 1)
        : null;

    /// <summary>Counted from the last axis, -1, as broadcasting does.</summary>
    private static IReadOnlyList<long> Ones(IReadOnlyList<long> shape) =>
        [.. Enumerable.Range(0, shape.Count).Where(axis => shape[axis] == 1).Select(axis => (long)axis - shape.Count)];

    private static IReadOnlyList<long>? Computed(Node producer, int steps) => producer.OpType switch
    {
        "ReduceMean" or "ReduceSum" when producer.Attributes.Int("keepdims", 1) != 0 => producer.Input(1) is { IsConstant: true } axes ? axes.Initializer!.ReadInt64s() : null,
        "Sqrt" or "Reciprocal" or "Neg" or "Exp" or "Cast" or "Identity" => Of(producer.Input(0)!, steps),
        "Add" or "Mul" or "Div" or "Pow" => producer.Inputs.Where(input => input is not { IsConstant: true, Initializer.Count: 1 }).ToArray() is [{ } only] ? Of(only, steps) : null,
        _ => null,
    };
}
