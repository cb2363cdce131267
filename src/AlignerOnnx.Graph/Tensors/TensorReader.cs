using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>
/// Reads parts of many tensors. A data file is opened, with every check, when the first of its tensors is read, and stays open until this reader is disposed: where each
/// tensor gives little, opening would cost more than reading. Members may be called from many threads.
/// </summary>
public sealed class TensorReader : IDisposable
{
    private readonly ConcurrentDictionary<(string Folder, string Location), SafeFileHandle> _files = [];

    /// <summary>Reads some of the bytes of <see cref="Tensor.ReadBytes"/>.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="first">The first byte that is wanted.</param>
    /// <param name="bytes">Is filled.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tensor has fewer bytes.</exception>
    /// <exception cref="ModelRefusedException">The stored bytes are missing, or of another length than type and shape say.</exception>
    public void Read(Tensor tensor, long first, Span<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, TensorChecks.ByteLength(tensor.Proto) - bytes.Length);
        if (tensor.IsExternal)
        {
            ReadExternal(tensor, first, bytes);
            return;
        }
        TensorChecks.RequireSound(tensor.Proto);
        (tensor.Proto.HasRawData ? tensor.Proto.RawData.Span : InlineData.Bytes(tensor.Proto)).Slice((int)first, bytes.Length).CopyTo(bytes);
    }

    /// <summary>Reads some elements of a tensor of float32, float16 or bfloat16 as float32.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="first">The first element that is wanted.</param>
    /// <param name="numbers">Is filled.</param>
    /// <exception cref="ArgumentOutOfRangeException">The tensor has fewer elements.</exception>
    /// <exception cref="ModelRefusedException">The tensor has another element type, or its bytes cannot be read.</exception>
    public void ReadSingles(Tensor tensor, long first, Span<float> numbers)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        tensor.RequireFloat();
        if (tensor.ElementType == DataType.Float)
        {
            Read(tensor, first * sizeof(float), MemoryMarshal.AsBytes(numbers));
            return;
        }
        byte[] halves = new byte[numbers.Length * 2];
        Read(tensor, first * 2, halves);
        FloatEncoding.Widen(halves, tensor.ElementType, numbers);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle file in _files.Values)
        {
            file.Dispose();
        }
    }

    private void ReadExternal(Tensor tensor, long first, Span<byte> bytes)
    {
        (ExternalData data, string folder) = ExternalDataReader.Locate(tensor.Proto, tensor.Folder);
        SafeFileHandle file = Open(data, folder, tensor.Proto.Name);
        for (int done = 0; done < bytes.Length;)
        {
            int read = RandomAccess.Read(file, bytes[done..], data.Offset + first + done);
            done += read > 0 ? read : throw data.TooShort(folder, tensor.Proto.Name, RandomAccess.GetLength(file));
        }
    }

    private SafeFileHandle Open(ExternalData data, string folder, string name)
    {
        if (_files.TryGetValue((folder, data.Location), out SafeFileHandle? open))
        {
            return open;
        }
        SafeFileHandle file = data.Open(folder, name);
        SafeFileHandle kept = _files.GetOrAdd((folder, data.Location), file);
        if (kept != file)
        {
            file.Dispose();
        }
        return kept;
    }
}
