using System.Buffers;
using Microsoft.Win32.SafeHandles;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Reads external data in large sequential parts.</summary>
internal static class ExternalDataReader
{
    private const int PartBytes = 1 << 20;

    /// <summary>Reads the data of an external tensor.</summary>
    /// <exception cref="ModelRefusedException">The file is missing, unsafe, too short, or becomes shorter.</exception>
    public static void Read(TensorProto tensor, string? folder, Action<ReadOnlySpan<byte>> take)
    {
        ExternalData data = ExternalData.Of(tensor);
        if (folder is null)
        {
            throw new ModelRefusedException("A tensor's data lies outside the model, but the model has no folder", $"initializer '{tensor.Name}'", data.Location, "a model that was loaded from a file", "load the model from its folder");
        }
        using SafeFileHandle file = data.Open(folder, tensor.Name);
        byte[] part = ArrayPool<byte>.Shared.Rent((int)Math.Min(PartBytes, data.Length));
        try
        {
            for (long done = 0; done < data.Length;)
            {
                int read = RandomAccess.Read(file, part.AsSpan(0, (int)Math.Min(part.Length, data.Length - done)), data.Offset + done);
                if (read == 0)
                {
                    throw data.TooShort(folder, tensor.Name, RandomAccess.GetLength(file));
                }
                take(part.AsSpan(0, read));
                done += read;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(part);
        }
    }
}
