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
        (ExternalData data, string inside) = Locate(tensor, folder);
        using SafeFileHandle file = data.Open(inside, tensor.Name);
        byte[] part = ArrayPool<byte>.Shared.Rent((int)Math.Min(PartBytes, data.Length));
        try
        {
            for (long done = 0; done < data.Length;)
            {
                int read = RandomAccess.Read(file, part.AsSpan(0, (int)Math.Min(part.Length, data.Length - done)), data.Offset + done);
                if (read == 0)
                {
                    throw data.TooShort(inside, tensor.Name, RandomAccess.GetLength(file));
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

    /// <summary>Where the data of an external tensor lies.</summary>
    /// <exception cref="ModelRefusedException">The entries cannot be used, or the model has no folder.</exception>
    public static (ExternalData Data, string Folder) Locate(TensorProto tensor, string? folder)
    {
        ExternalData data = ExternalData.Of(tensor);
        return folder is not null
            ? (data, folder)
            : throw new ModelRefusedException("A tensor's data lies outside the model, but the model has no folder", $"initializer '{tensor.Name}'", data.Location, "a model that was loaded from a file", "load the model from its folder");
    }
}
