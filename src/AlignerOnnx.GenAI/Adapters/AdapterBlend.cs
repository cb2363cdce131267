using System.Buffers.Binary;
using System.Globalization;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GenAI;

/// <summary>Adds compiled adapters up. What an adapter of one token adds to each layer is linear in its folded vector, so a weighted sum of the vectors is exactly the adapters at those scales together.</summary>
public static class AdapterBlend
{
    private const string Slot = "aligner.delta";

    /// <summary>Writes the sum of compiled adapters, each times its scale; sums are in double precision.</summary>
    /// <param name="parts">Compiled adapters for one-token slots of one model, and their scales.</param>
    /// <param name="output">The .onnx_adapter file to write, complete or not at all.</param>
    /// <exception cref="AdapterRefusedException">An adapter is damaged, is not for one-token slots, or the adapters are for different models.</exception>
    public static void Write(IReadOnlyList<(string Path, double Scale)> parts, string output)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Count);
        (Slot first, _) = Read(parts[0].Path);
        double[]? sum = null;
        foreach ((string path, double scale) in parts)
        {
            (Slot slot, byte[] values) = Read(path);
            if (slot.ToString() != first.ToString())
            {
                throw new AdapterRefusedException("The adapters are for different models", path, slot.ToString(), first.ToString(), "blend adapters that were compiled for one model");
            }
            double[] numbers = Decode(slot, values);
            sum ??= new double[numbers.Length];
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += scale * numbers[i];
            }
        }
        byte[] file = OnnxAdapterFile.ToBytes(new AdapterParameter(Slot, (DataType)first.DataType, first.Dimensions, Encode(first, sum!)));
        AtomicOutput.WriteFile(output, stream => stream.Write(file));
    }

    private static (Slot Slot, byte[] Values) Read(string path) => CompiledAdapterFile.ReadValues(path) is [var only] && only.Slot is { Name: Slot, DataType: (int)DataType.Float or (int)DataType.Float16 }
        ? only
        : throw new AdapterRefusedException("Only adapters of one token can be scaled and blended", path, null, $"one parameter {Slot} of float or float16",
            "use this adapter alone and at its own scale, or train one with a single token");

    private static double[] Decode(Slot slot, byte[] values)
    {
        bool half = slot.DataType == (int)DataType.Float16;
        double[] numbers = new double[values.Length / (half ? 2 : 4)];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = half ? (double)BinaryPrimitives.ReadHalfLittleEndian(values.AsSpan(2 * i)) : BinaryPrimitives.ReadSingleLittleEndian(values.AsSpan(4 * i));
        }
        return numbers;
    }

    private static byte[] Encode(Slot slot, double[] sum)
    {
        bool half = slot.DataType == (int)DataType.Float16;
        byte[] values = new byte[sum.Length * (half ? 2 : 4)];
        for (int i = 0; i < sum.Length; i++)
        {
            RequireFinite(half ? (double)(Half)sum[i] : (float)sum[i], sum[i]);
            if (half)
            {
                BinaryPrimitives.WriteHalfLittleEndian(values.AsSpan(2 * i), (Half)sum[i]);
            }
            else
            {
                BinaryPrimitives.WriteSingleLittleEndian(values.AsSpan(4 * i), (float)sum[i]);
            }
        }
        return values;
    }

    private static void RequireFinite(double stored, double number)
    {
        if (!double.IsFinite(stored))
        {
            throw new AdapterRefusedException("The blend is outside the range of the model's numbers", null, number.ToString("R", CultureInfo.InvariantCulture), "finite numbers", "use smaller scales");
        }
    }
}
