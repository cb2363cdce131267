using AlignerOnnx.Graph;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Turns the slots of a patched model into constants: it then computes with one adapter, for callers who know of no slots.</summary>
public static class SlotMerging
{
    /// <summary>The metadata entry of such a model: the layout whose slots became constants.</summary>
    public const string MetadataKey = "aligner.merged";

    private const string Batch = "aligner_batch";

    /// <summary>Fixes every slot at a value.</summary>
    /// <param name="model">A patched model, changed in place.</param>
    /// <param name="values">One value for each slot, named as it, for a batch of 1.</param>
    /// <exception cref="AdapterRefusedException">A value is missing, is of another type or shape than its slot, or there is no such slot.</exception>
    /// <exception cref="ModelRefusedException">The model is not patched.</exception>
    public static void Apply(OnnxModel model, IReadOnlyList<TensorProto> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        SlotLayout layout = SlotLayouts.Of(model) ?? throw new ModelRefusedException("The model has no slots", model.Path, remedy: "patch it first");
        Value[] slots = [.. model.Graph.Inputs.Where(input => input.Initializer is not null && SlotRemoval.IsOwn(input.Name))];
        RequireOneEach(slots, values);
        Dictionary<string, long> sizes = new(StringComparer.Ordinal) { [Batch] = 1 };
        foreach (Value slot in slots)
        {
            TensorProto value = values.First(value => value.Name == slot.Name);
            RequireFits(slot, value, sizes);
            model.Graph.AddInitializer(value);
            model.Graph.RemoveInput(slot);
            slot.Type = null;
        }
        model.RemoveMetadata(SlotLayouts.MetadataKey);
        model.SetMetadata(MetadataKey, SlotLayouts.NameOf(layout));
    }

    private static void RequireOneEach(Value[] slots, IReadOnlyList<TensorProto> values)
    {
        string[] expected = [.. slots.Select(slot => slot.Name).Order(StringComparer.Ordinal)];
        string[] found = [.. values.Select(value => value.Name).Order(StringComparer.Ordinal)];
        if (!found.SequenceEqual(expected))
        {
            throw new AdapterRefusedException("The adapter does not set the model's slots", null, string.Join(", ", found), string.Join(", ", expected), "compile the adapter for this model's slot layout, or name the adapter folder");
        }
    }

    /// <summary>Sizes with a name are the caller's choice, the same wherever the name stands.</summary>
    private static void RequireFits(Value slot, TensorProto value, Dictionary<string, long> sizes)
    {
        TensorShapeProto.Types.Dimension[] declared = [.. slot.Type!.TensorType.Shape.Dim];
        bool fits = value.DataType == (int)slot.ElementType && value.Dims.Count == declared.Length
            && declared.Zip(value.Dims).All(pair => pair.Second == (pair.First.HasDimValue ? pair.First.DimValue : sizes.TryGetValue(pair.First.DimParam, out long size) ? size : sizes[pair.First.DimParam] = pair.Second));
        if (!fits)
        {
            throw new AdapterRefusedException("The adapter's values do not fit the model's slot", slot.Name, $"{(TensorProto.Types.DataType)value.DataType} [{string.Join(',', value.Dims)}]",
                $"{slot.ElementType} [{string.Join(',', declared.Select(size => size.HasDimValue ? $"{size.DimValue}" : size.DimParam))}], {Batch} 1", "use an adapter of this model");
        }
    }
}
