using Google.FlatBuffers;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Writes .onnx_adapter files of one parameter by the published schema.</summary>
internal static class CompiledAdapter
{
    internal static string Write(string folder, string name, int dataType, long[] dimensions, byte[] values)
    {
        FlatBufferBuilder builder = new(values.Length + 512);
        int parameter = Parameter(builder, name, dataType, dimensions, values);
        builder.StartVector(4, 1, 4);
        builder.AddOffset(parameter);
        VectorOffset parameters = builder.EndVector();
        builder.StartTable(4);
        builder.AddInt(0, 1, 0);
        builder.AddOffset(3, parameters.Value, 0);
        builder.Finish(builder.EndTable(), "TORT");
        string path = Path.Combine(folder, $"{Guid.NewGuid():N}.onnx_adapter");
        File.WriteAllBytes(path, builder.SizedByteArray());
        return path;
    }

    private static int Parameter(FlatBufferBuilder builder, string name, int dataType, long[] dimensions, byte[] values)
    {
        builder.StartVector(1, values.Length, 8);
        foreach (byte value in values.Reverse())
        {
            builder.PutByte(value);
        }
        VectorOffset raw = builder.EndVector();
        builder.StartVector(8, dimensions.Length, 8);
        foreach (long dimension in dimensions.Reverse())
        {
            builder.AddLong(dimension);
        }
        VectorOffset dims = builder.EndVector();
        StringOffset text = builder.CreateString(name);
        builder.StartTable(4);
        builder.AddOffset(0, text.Value, 0);
        builder.AddOffset(1, dims.Value, 0);
        builder.AddInt(2, dataType, 0);
        builder.AddOffset(3, raw.Value, 0);
        return builder.EndTable();
    }
}
