using System.Globalization;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// Reads and writes the checkpoint of ONNX Runtime Training: a FlatBuffer with identifier ODTC and version 2. Tokens and gates (of concat attention the tokens alone) are its only
/// parameters, frozen weights stay in the graphs. Source: orttraining's checkpoint.fbs, onnxruntime 1.19.2.
/// </summary>
public static class OrtCheckpointFile
{
    internal const string Identifier = "ODTC";
    internal const int Version = 2;
    internal const int Float = 1;
    internal const string GroupName = "group0";
    internal const string FingerprintProperty = "aligner.base_fingerprint";
    // Gates say it too, but not all adapters have them.
    internal const string HeadsProperty = "aligner.num_heads";

    private const long MaximumBytes = 1L << 30;
    private const long MaximumParameters = 16;
    private const int MaximumDimension = 1 << 20;
    private static readonly string[] Moments = ["momentum0", "momentum1"];

    /// <summary>The bytes of a checkpoint; with the optimizer's memory it continues where that stood.</summary>
    /// <param name="checkpoint">The values. Moments are written as float32, as the runtime keeps them.</param>
    public static byte[] ToBytes(OrtCheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        OrtCheckpointWriter writer = new();
        (AdapterParameters parameters, AdapterShape shape) = (checkpoint.Parameters, checkpoint.Parameters.Shape);
        List<(string Name, float[] Data, long[] Shape)> all = [(GradientGraphNames.Tokens, parameters.Tokens, [shape.TokenCount, shape.HiddenSize])];
        if (shape.GateValues > 0)
        {
            all.Add((GradientGraphNames.Gates, parameters.Gates, [shape.AdaptedLayers, shape.HeadCount]));
        }
        int module = writer.ModuleState([.. all.Select(each => writer.Tensor(each.Name, each.Data, each.Shape))]);
        int? group = checkpoint.Optimizer is not AdamWState optimizer ? null : writer.OptimizerGroup(GroupName, optimizer.StepCount,
            [.. all.Select((each, i) => writer.ParameterState(each.Name,
                writer.Tensor(Moments[0], Singles(optimizer.FirstMoments[i]), each.Shape), writer.Tensor(Moments[1], Singles(optimizer.SecondMoments[i]), each.Shape)))]);
        (string, string) heads = (HeadsProperty, shape.HeadCount.ToString(CultureInfo.InvariantCulture));
        int properties = writer.PropertyBag(checkpoint.BaseFingerprint is string fingerprint ? [(FingerprintProperty, fingerprint), heads] : [heads]);
        return writer.Finish(module, group, properties);
    }

    /// <summary>Whether a file says that it is such a checkpoint.</summary>
    /// <param name="path">The file.</param>
    public static bool IsCheckpoint(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }
        byte[] start = new byte[8];
        using FileStream stream = new(OrdinaryFile.Open(path), FileAccess.Read, bufferSize: 0);
        return stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.AsSpan(4).SequenceEqual("ODTC"u8);
    }

    /// <summary>Reads a checkpoint that this project or the runtime wrote.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointRefusedException">It is damaged, or holds something else than tokens and gates of one adapter.</exception>
    public static OrtCheckpoint Read(string path)
    {
        using FileStream stream = new(OrdinaryFile.Open(path), FileAccess.Read, bufferSize: 0);
        if (stream.Length > MaximumBytes)
        {
            throw Refused(path, $"{stream.Length:N0} bytes");
        }
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return Parse(bytes, path);
    }

    /// <summary>Reads a checkpoint from memory.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="where">Its name, for messages.</param>
    /// <exception cref="CheckpointRefusedException">It is damaged, or holds something else than tokens and gates of one adapter.</exception>
    public static OrtCheckpoint Parse(ReadOnlyMemory<byte> bytes, string where)
    {
        try
        {
            FlatTable root = FlatTable.Root(bytes, Identifier);
            Require(root.Int32(0) == Version, $"version {root.Int32(0)}");
            FlatTable module = root.Table(1) ?? throw new FormatException("no parameters");
            Require(!module.Boolean(2), "names without values (a nominal checkpoint)");
            Require(!module.Boolean(3), "values in another file");
            AdapterParameters parameters = ParametersOf(module.Tables(0, MaximumParameters), PropertyOf(root, HeadsProperty));
            return new OrtCheckpoint(parameters, OptimizerOf(root, parameters.Shape)) { BaseFingerprint = PropertyOf(root, FingerprintProperty) };
        }
        catch (Exception damage) when (damage is FormatException or ArgumentException)
        {
            throw Refused(where, damage.Message, damage);
        }
    }

    private static AdapterParameters ParametersOf(IReadOnlyList<FlatTable> trainable, string? heads)
    {
        (float[] tokens, long[] tokenShape) = Floats(Single(trainable, GradientGraphNames.Tokens), GradientGraphNames.Tokens);
        if (trainable.Count == 1 && int.TryParse(heads, NumberStyles.None, CultureInfo.InvariantCulture, out int headCount))
        {
            Require(tokenShape.Length == 2 && headCount is >= 1 and <= MaximumDimension, $"tokens of {tokenShape.Length} dimensions for {headCount} heads");
            return new AdapterParameters(new AdapterShape((int)tokenShape[0], (int)tokenShape[1], 0, headCount), tokens, []);
        }
        (float[] gates, long[] gateShape) = Floats(Single(trainable, GradientGraphNames.Gates), GradientGraphNames.Gates);
        Require(tokenShape.Length == 2 && gateShape.Length == 2, $"tokens of {tokenShape.Length} and gates of {gateShape.Length} dimensions");
        return new AdapterParameters(new AdapterShape((int)tokenShape[0], (int)tokenShape[1], (int)gateShape[0], (int)gateShape[1]), tokens, gates);
    }

    private static AdamWState? OptimizerOf(FlatTable root, AdapterShape shape)
    {
        FlatTable? group = root.Tables(2, MaximumParameters).FirstOrDefault(each => each.Text(0) == GroupName);
        IReadOnlyList<FlatTable> states = group?.Tables(3, MaximumParameters) ?? [];
        if (states.Count == 0)
        {
            return null;
        }
        long step = group!.Int64(1);
        Require(step is >= 0 and <= int.MaxValue, $"step {step} of the optimizer");
        (IReadOnlyList<FlatTable> Moments, int Size)[] all = [.. new[] { (Name: GradientGraphNames.Tokens, Size: shape.TokenValues), (Name: GradientGraphNames.Gates, Size: shape.GateValues) }
            .Select(each => (each.Size == 0 ? [] : Single(states, each.Name).Tables(1, 2), each.Size))];
        return new AdamWState((int)step, MomentsOf(all, Moments[0]), MomentsOf(all, Moments[1]));
    }

    private static double[][] MomentsOf((IReadOnlyList<FlatTable> Moments, int Size)[] all, string name) => [.. all.Select(each =>
    {
        float[] values = each.Size == 0 ? [] : Floats(Single(each.Moments, name), name).Data;
        Require(values.Length == each.Size && values.All(float.IsFinite), $"{values.Length} numbers of {name} for {each.Size} parameters, or some that are not finite");
        return Array.ConvertAll(values, value => (double)value);
    })];

    private static string? PropertyOf(FlatTable root, string name) =>
        root.Table(3)?.Tables(2, MaximumParameters).FirstOrDefault(each => each.Text(0) == name)?.Text(1);

    private static FlatTable Single(IReadOnlyList<FlatTable> tables, string name) =>
        tables.FirstOrDefault(each => each.Text(0) == name) ?? throw new FormatException($"no '{name}' among [{string.Join(", ", tables.Select(each => each.Text(0)))}]");

    private static (float[] Data, long[] Shape) Floats(FlatTable tensor, string name)
    {
        long[] shape = tensor.Longs(2, most: 8);
        ReadOnlyMemory<byte> data = tensor.Bytes(4);
        Require(tensor.Int32(3) == Float, $"'{name}' of type {tensor.Int32(3)}");
        Require(shape.All(size => size is >= 1 and <= MaximumDimension), $"'{name}' of shape [{string.Join(", ", shape)}]");
        // The sizes are at most 2^20 each, so no product of two reaches the end of a long; the third could.
        Require(shape.Length <= 2 && shape.Aggregate(sizeof(float), (long product, long size) => product * size) == data.Length, $"{data.Length} bytes for '{name}' of shape [{string.Join(", ", shape)}]");
        return (MemoryMarshal.Cast<byte, float>(data.Span).ToArray(), shape);
    }

    private static float[] Singles(double[] numbers) => Array.ConvertAll(numbers, number => (float)number);

    private static void Require(bool holds, string found)
    {
        if (!holds)
        {
            throw new FormatException(found);
        }
    }

    private static CheckpointRefusedException Refused(string where, string found, Exception? inner = null) => new(
        "the checkpoint of ONNX Runtime Training cannot be read", where, found, $"a file of `aligner train artifacts`, or one that the runtime saved in training from it: version {Version}, with {GradientGraphNames.Tokens} and, of gated attention, {GradientGraphNames.Gates}",
        "name the checkpoint of an adapter", inner);
}
