using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>Whether masks hide later keys. Masks are computed with stand-in sizes; where one cannot be computed, its shape must at least differ from query to query.</summary>
internal sealed class VisibleKeys(PartialEvaluation known)
{
    /// <summary>An added number below this hides a key: the smallest float16 is -65504, masks of trained models go no higher than -10000.</summary>
    private const double Hidden = -1000;

    /// <summary>The most inputs of integers whose numbers are tried: ids, mask, positions and one more.</summary>
    private const int MostInputs = 4;

    /// <summary>Why the scores are not those of a decoder; null where later keys are hidden.</summary>
    public string? WhyNot(ScorePath scores)
    {
        (Node Node, Value Mask)[] masks = [.. scores.Masks.Where(mask => TellsKeysApart(mask.Mask))];
        if (masks.Length == 0)
        {
            return "no mask hides later keys: an encoder, not a decoder";
        }
        if (known.ShapeOf(SinkColumn.KeysOf(scores.Path)) is not { Length: >= 2 } shape)
        {
            return "the shape of the scores does not follow from the graph";
        }
        bool computed = false;
        foreach (Func<Value, long[], Known> inputs in Inputs(masks))
        {
            bool[]?[] visible = [.. masks.Select(mask => Visible(mask.Node, mask.Mask, scores, shape[^2], shape[^1], inputs))];
            computed |= visible.All(mask => mask is not null);
            bool[] hidden = [.. Enumerable.Range(0, (int)Math.Min(shape[^2] * shape[^1], Known.MostNumbers)).Select(place => visible.Any(mask => mask is not null && !mask[place]))];
            if (HidesLater(hidden, shape[^2], shape[^1]))
            {
                return null;
            }
        }
        return computed ? "the mask does not hide later keys: an encoder, not a decoder"
            : masks.Any(mask => known.ShapeOf(mask.Mask) is not { Length: >= 2 } size || size[^2] != 1) ? null
            : "the mask is the same for every query: an encoder, not a decoder";
    }

    /// <summary>Whether a mask can hide one key and show another. The largest score, which PyTorch subtracts from all of a query, cannot.</summary>
    private bool TellsKeysApart(Value mask) => known.ShapeOf(mask) is not [.., 1];

    /// <summary>Each query sees its own key and none behind it.</summary>
    private static bool HidesLater(bool[] hidden, long queries, long keys)
    {
        if (hidden.LongLength != queries * keys)
        {
            return false;
        }
        for (long place = 0; place < hidden.LongLength; place++)
        {
            (long query, long key) = Math.DivRem(place, keys);
            long own = keys - queries + query;
            if ((key > own && !hidden[place]) || (key == own && hidden[place]))
            {
                return false;
            }
        }
        return queries > 1;
    }

    /// <summary>What a mask leaves visible for the first head of the first sequence, [queries, keys]; null where it cannot be computed.</summary>
    private bool[]? Visible(Node node, Value mask, ScorePath scores, long queries, long keys, Func<Value, long[], Known> inputs)
    {
        Known numbers = known.With(mask, inputs);
        if (numbers is not { Numbers: { } values, Shape: { } shape } || queries * keys > Known.MostNumbers)
        {
            return null;
        }
        bool scoresWhereTrue = node.OpType == "Where" && scores.Path.Values.Contains(node.Input(1)!);
        bool[] visible = new bool[queries * keys];
        for (int place = 0; place < visible.Length; place++)
        {
            double number = values[Coordinates.Place([0, 0, 0, 0, place / keys, place % keys], shape)];
            visible[place] = node.OpType == "Where" ? number != 0 == scoresWhereTrue : number > Hidden;
        }
        return visible;
    }

    /// <summary>Numbers for the integers that a mask depends on: all ones (a padding mask without padding), and counting up (positions), in every combination.</summary>
    private static IEnumerable<Func<Value, long[], Known>> Inputs((Node Node, Value Mask)[] masks)
    {
        Value[] integers = [.. masks.SelectMany(mask => Leaves(mask.Mask)).Distinct().Take(MostInputs)];
        for (int choice = 0; choice < 1 << integers.Length; choice++)
        {
            int positions = choice;
            yield return (input, shape) => Array.IndexOf(integers, input) is >= 0 and var index && (positions >> index & 1) != 0 ? CountingUp(shape) : Ones(input, shape);
        }
    }

    private static Known Ones(Value input, long[] shape) =>
        Coordinates.Count(shape) <= Known.MostNumbers && input.ElementType is TensorProto.Types.DataType.Int64 or TensorProto.Types.DataType.Int32 or TensorProto.Types.DataType.Bool
            ? new Known(shape, [.. Enumerable.Repeat(1.0, (int)Coordinates.Count(shape))], IsInteger: true)
            : new Known(shape);

    private static Known CountingUp(long[] shape) =>
        Coordinates.Count(shape) <= Known.MostNumbers && shape.Length > 0 ? new Known(shape, [.. Enumerable.Range(0, (int)Coordinates.Count(shape)).Select(place => (double)(StandInSizes.Past + (place % shape[^1])))], IsInteger: true) : new Known(shape);

    /// <summary>The inputs of integers that a value depends on.</summary>
    private static IEnumerable<Value> Leaves(Value mask)
    {
        HashSet<Value> seen = [mask];
        Stack<Value> open = new([mask]);
        while (open.TryPop(out Value? value))
        {
            if (value is { IsGraphInput: true, ElementType: TensorProto.Types.DataType.Int64 or TensorProto.Types.DataType.Int32 })
            {
                yield return value;
            }
            foreach (Value source in value.Producer?.Inputs.OfType<Value>() ?? [])
            {
                if (seen.Add(source))
                {
                    open.Push(source);
                }
            }
        }
    }
}
