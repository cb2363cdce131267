using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>What the process of the native library is asked to do.</summary>
internal enum OrtTrainingCall : byte
{
    /// <summary>Library: its version.</summary>
    Load,

    /// <summary>Artifacts and threads: open a session in place of the one before.</summary>
    Open,

    /// <summary>Reset, batch: float outputs of the training graph.</summary>
    TrainStep,

    /// <summary>Batch: float outputs of the evaluation graph.</summary>
    EvalStep,

    /// <summary>Moves the parameters: their values.</summary>
    OptimizerStep,

    /// <summary>Values of the parameters.</summary>
    WriteParameters,

    /// <summary>A file: write the checkpoint there.</summary>
    Save,

    /// <summary>Peak memory of the process.</summary>
    PeakMemory,
}

/// <summary>How a call ended.</summary>
internal enum OrtTrainingReply : byte
{
    Done,
    Refused,
}

/// <summary>How the values of a message are written to the pipe and read from it. Both ends are this program, so nothing is checked.</summary>
internal static class OrtTrainingMessages
{
    public static void WriteBytes(this BinaryWriter writer, byte[] bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    public static byte[] ReadBytes(this BinaryReader reader) => reader.ReadBytes(reader.ReadInt32());

    public static void WriteFloats(this BinaryWriter writer, float[] numbers)
    {
        byte[] bytes = new byte[Buffer.ByteLength(numbers)];
        Buffer.BlockCopy(numbers, 0, bytes, 0, bytes.Length);
        writer.WriteBytes(bytes);
    }

    public static float[] ReadFloats(this BinaryReader reader)
    {
        byte[] bytes = reader.ReadBytes();
        float[] numbers = new float[bytes.Length / sizeof(float)];
        Buffer.BlockCopy(bytes, 0, numbers, 0, bytes.Length);
        return numbers;
    }

    public static void WriteTensors(this BinaryWriter writer, IReadOnlyList<TensorData> tensors)
    {
        writer.Write(tensors.Count);
        foreach (TensorData tensor in tensors)
        {
            byte[] bytes = new byte[tensor.Bytes];
            Buffer.BlockCopy(tensor.Data, 0, bytes, 0, bytes.Length);
            writer.Write(tensor.Data is long[]);
            writer.Write(tensor.Shape.Length);
            Array.ForEach(tensor.Shape, writer.Write);
            writer.WriteBytes(bytes);
        }
    }

    public static TensorData[] ReadTensors(this BinaryReader reader) => [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ =>
    {
        bool whole = reader.ReadBoolean();
        long[] shape = [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadInt64())];
        byte[] bytes = reader.ReadBytes();
        Array data = whole ? new long[bytes.Length / sizeof(long)] : new float[bytes.Length / sizeof(float)];
        Buffer.BlockCopy(bytes, 0, data, 0, bytes.Length);
        return new TensorData(data, shape);
    })];

    public static void WriteArtifacts(this BinaryWriter writer, ArtifactSet artifacts)
    {
        foreach ((_, byte[] content) in artifacts.Files)
        {
            writer.WriteBytes(content);
        }
        writer.Write(artifacts.DataFolder);
    }

    public static ArtifactSet ReadArtifacts(this BinaryReader reader) =>
        new(reader.ReadBytes(), reader.ReadBytes(), reader.ReadBytes(), reader.ReadBytes(), reader.ReadString());

    public static void WriteRefusal(this BinaryWriter writer, RefusedException refusal)
    {
        foreach (string? part in new[] { refusal.What, refusal.Where, refusal.Found, refusal.Expected, refusal.Remedy })
        {
            writer.Write(part is not null);
            if (part is not null)
            {
                writer.Write(part);
            }
        }
    }

    public static ModelRefusedException ReadRefusal(this BinaryReader reader)
    {
        string?[] parts = [.. Enumerable.Range(0, 5).Select(_ => reader.ReadBoolean() ? reader.ReadString() : null)];
        return new ModelRefusedException(parts[0]!, parts[1], parts[2], parts[3], parts[4]);
    }
}
