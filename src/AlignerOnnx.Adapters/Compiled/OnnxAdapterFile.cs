using AlignerOnnx.Graph;
using Google.FlatBuffers;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>
/// <c>.onnx_adapter</c> files, which ONNX Runtime and GenAI load: a FlatBuffer with identifier TORT and one entry for each graph input that is overridden.
/// Source: github.com/microsoft/onnxruntime, onnxruntime/lora/adapter_format/adapter_schema.fbs.
/// </summary>
public static class OnnxAdapterFile
{
    private const int DataAlignment = 8;

    /// <summary>Makes the bytes of a file.</summary>
    /// <param name="parameters">The overridden inputs.</param>
    public static byte[] ToBytes(params IReadOnlyList<AdapterParameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        FlatBufferBuilder builder = new(1024 + parameters.Sum(parameter => parameter.Data.Length));
        Offset<Table>[] tables = [.. parameters.Select(parameter => Write(builder, parameter))];
        builder.StartVector(sizeof(int), tables.Length, sizeof(int));
        foreach (Offset<Table> table in tables.Reverse())
        {
            builder.AddOffset(table.Value);
        }
        VectorOffset all = builder.EndVector();
        builder.StartTable(4);
        builder.AddInt(0, 1, 0);
        builder.AddOffset(3, all.Value, 0);
        builder.Finish(builder.EndTable(), "TORT");
        return builder.SizedByteArray();
    }

    /// <summary>Reads the values that a file sets.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="AdapterRefusedException">The file is missing or damaged.</exception>
    public static IReadOnlyList<AdapterParameter> Read(string path) => OnnxAdapterReader.Read(path, withValues: true);

    /// <summary>As <see cref="Read"/>, but the values stay in the file: <see cref="AdapterParameter.Data"/> is empty.</summary>
    /// <inheritdoc cref="Read"/>
    public static IReadOnlyList<AdapterParameter> Describe(string path) => OnnxAdapterReader.Read(path, withValues: false);

    private static Offset<Table> Write(FlatBufferBuilder builder, AdapterParameter parameter)
    {
        StringOffset name = builder.CreateString(parameter.Name);
        builder.StartVector(sizeof(long), parameter.Shape.Count, sizeof(long));
        foreach (long dimension in parameter.Shape.Reverse())
        {
            builder.AddLong(dimension);
        }
        VectorOffset shape = builder.EndVector();
        builder.StartVector(1, parameter.Data.Length, DataAlignment);
        builder.Add(new ArraySegment<byte>(parameter.Data.ToArray()));
        VectorOffset data = builder.EndVector();
        builder.StartTable(4);
        builder.AddOffset(0, name.Value, 0);
        builder.AddOffset(1, shape.Value, 0);
        builder.AddInt(2, (int)parameter.Type, 0);
        builder.AddOffset(3, data.Value, 0);
        return new Offset<Table>(builder.EndTable());
    }
}

/// <summary>The value of one graph input in a compiled adapter.</summary>
/// <param name="Name">The input's name.</param>
/// <param name="Type">The element type.</param>
/// <param name="Shape">The shape.</param>
/// <param name="Data">The bytes, little-endian, row-major.</param>
public sealed record AdapterParameter(string Name, DataType Type, IReadOnlyList<long> Shape, ReadOnlyMemory<byte> Data)
{
    /// <summary>The parameter in the notation of ONNX, such as <c>Float [1,6,128]</c>.</summary>
    public override string ToString() => $"{Type} [{string.Join(',', Shape)}]";
}
