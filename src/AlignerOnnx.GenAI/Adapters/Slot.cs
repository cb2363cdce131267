namespace AlignerOnnx.GenAI;

/// <summary>A graph input of the served model that an adapter may set; it has a neutral default.</summary>
/// <param name="Name">The input's name, such as <c>aligner.delta</c>.</param>
/// <param name="DataType">The element type by ONNX number: 1 float, 10 float16, 16 bfloat16.</param>
/// <param name="Dimensions">The sizes; -1 where any size is accepted.</param>
public sealed record Slot(string Name, int DataType, IReadOnlyList<long> Dimensions)
{
    /// <summary>The slot in the notation of ONNX, such as <c>float[-1,6,128]</c>.</summary>
    public override string ToString() => Describe(DataType, Dimensions);

    internal static string Describe(int dataType, IReadOnlyList<long> dimensions) =>
        $"{ElementType(dataType)}[{string.Join(',', dimensions)}]";

    private static string ElementType(int dataType) => dataType switch
    {
        1 => "float",
        10 => "float16",
        11 => "double",
        16 => "bfloat16",
        _ => $"type {dataType}",
    };
}
