using System.Globalization;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using Onnx;

namespace AlignerOnnx.GenAI;

/// <summary>Reads a decoder's slots: initializers that are graph inputs too, which ONNX lets a caller override.</summary>
internal static class ModelSlots
{
    internal static IReadOnlyList<Slot> Of(OnnxModel model) =>
        [.. model.Graph.Inputs.Where(input => input.Initializer is not null && input.Type?.TensorType is not null).Select(ToSlot)];

    /// <summary>The first id that selects a row of the prefix slot; 0 in other layouts.</summary>
    internal static int FirstPrefixId(OnnxModel model) => int.Parse(model.Metadata(PrefixInjection.FirstIdKey) ?? "0", CultureInfo.InvariantCulture);

    private static Slot ToSlot(Value input)
    {
        TypeProto.Types.Tensor type = input.Type!.TensorType;
        IEnumerable<long> dimensions = type.Shape?.Dim.Select(d => d.ValueCase == TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue ? d.DimValue : -1) ?? [];
        return new Slot(input.Name, type.ElemType, [.. dimensions]);
    }
}
