using System.Runtime.InteropServices;
using Google.FlatBuffers;

namespace AlignerOnnx.Training;

/// <summary>
/// Writes the checkpoint of ONNX Runtime Training: a FlatBuffer with identifier ODTC and version 2. Tokens and gates are its only parameters, frozen weights stay in the
/// graphs. Source: orttraining's checkpoint.fbs, onnxruntime 1.19.2.
/// </summary>
internal static class OrtCheckpointFile
{
    private const string Identifier = "ODTC";
    private const int Version = 2;
    private const int Float = 1;
    private const int DataAlignment = 8;

    /// <summary>The bytes of a checkpoint without optimizer state: the first step starts from zero moments.</summary>
    /// <param name="parameters">The values.</param>
    public static byte[] ToBytes(AdapterParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        AdapterShape shape = parameters.Shape;
        FlatBufferBuilder builder = new(1024 + (4 * (parameters.Tokens.Length + parameters.Gates.Length)));
        int gates = AddTensor(builder, GradientGraphNames.Gates, parameters.Gates, shape.AdaptedLayers, shape.HeadCount);
        int tokens = AddTensor(builder, GradientGraphNames.Tokens, parameters.Tokens, shape.TokenCount, shape.HiddenSize);
        int trainable = AddVector(builder, gates, tokens);
        int frozen = AddVector(builder);
        builder.StartTable(4);
        builder.AddOffset(0, trainable, 0);
        builder.AddOffset(1, frozen, 0);
        int module = builder.EndTable();
        builder.StartTable(3);
        int properties = builder.EndTable();
        builder.StartTable(4);
        builder.AddInt(0, Version, 0);
        builder.AddOffset(1, module, 0);
        builder.AddOffset(3, properties, 0);
        builder.Finish(builder.EndTable(), Identifier);
        return builder.SizedByteArray();
    }

    private static int AddTensor(FlatBufferBuilder builder, string name, float[] data, params ReadOnlySpan<int> shape)
    {
        StringOffset nameOffset = builder.CreateString(name);
        builder.StartVector(sizeof(long), shape.Length, sizeof(long));
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            builder.AddLong(shape[i]);
        }
        int dimensions = builder.EndVector().Value;
        builder.StartVector(1, data.Length * sizeof(float), DataAlignment);
        builder.Add(new ArraySegment<byte>(MemoryMarshal.AsBytes(data.AsSpan()).ToArray()));
        int raw = builder.EndVector().Value;
        builder.StartTable(7);
        builder.AddOffset(0, nameOffset.Value, 0);
        builder.AddOffset(2, dimensions, 0);
        builder.AddInt(3, Float, 0);
        builder.AddOffset(4, raw, 0);
        return builder.EndTable();
    }

    private static int AddVector(FlatBufferBuilder builder, params ReadOnlySpan<int> tablesFromLast)
    {
        builder.StartVector(sizeof(int), tablesFromLast.Length, sizeof(int));
        foreach (int table in tablesFromLast)
        {
            builder.AddOffset(table);
        }
        return builder.EndVector().Value;
    }
}
