using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes stored tensors: shape, type, data, and where the data lies.</summary>
internal static class TensorMutations
{
    private static readonly string[] Locations = ["../model.onnx.data", "/dev/zero", "model.onnx", "sub/../x", "", "model.onnx.data\0", "inline.data", "C:x", "model.onnx.patched", ".", "model.onnx.data/", "NUL"];
    private static readonly string[] Keys = ["location", "offset", "length", "checksum", ""];
    private static readonly string[] Texts = ["-1", "0", "1", "4096", "9223372036854775807", "9223372036854775808", "1e3", " 1", "0x10", "18446744073709551615", "", "4294967296"];

    public static void Change(Picker pick)
    {
        if (pick.From(pick.Graph.Initializer) is { } tensor)
        {
            Change(tensor, pick);
        }
    }

    public static void Change(TensorProto tensor, Picker pick)
    {
        switch (pick.Next(14))
        {
            case < 3 when tensor.Dims.Count > 0:
                tensor.Dims[pick.Next(tensor.Dims.Count)] = pick.Number();
                break;
            case 3:
                tensor.Dims.Insert(pick.Next(tensor.Dims.Count + 1), pick.Once(2) ? 1 : pick.Number());
                break;
            case 4 when tensor.Dims.Count > 0:
                tensor.Dims.RemoveAt(pick.Next(tensor.Dims.Count));
                break;
            case 5 when tensor.Dims.Count > 1:
                (tensor.Dims[0], tensor.Dims[1]) = (tensor.Dims[1], tensor.Dims[0]);
                break;
            case 6:
                tensor.DataType = pick.Once(4) ? (int)pick.Number() : pick.Next(27);
                break;
            case 7:
                tensor.Name = pick.Name();
                break;
            case 8 when tensor.RawData.Length > 0:
                ChangeData(tensor, pick);
                break;
            case 9:
                tensor.DataLocation = (DataLocation)pick.Next(3);
                break;
            case 10:
                tensor.Int64Data.Add(pick.Number());
                break;
            case 11 when pick.From(tensor.ExternalData) is { } entry:
                entry.Value = pick.Once(2) ? Texts[pick.Next(Texts.Length)] : Locations[pick.Next(Locations.Length)];
                break;
            case 12:
                tensor.ExternalData.Add(new StringStringEntryProto { Key = Keys[pick.Next(Keys.Length)], Value = Texts[pick.Next(Texts.Length)] });
                break;
            default:
                MakeInlineInteger(tensor, pick);
                break;
        }
    }

    private static void ChangeData(TensorProto tensor, Picker pick)
    {
        byte[] data = tensor.RawData.ToByteArray();
        if (pick.Once(3))
        {
            tensor.RawData = ByteString.CopyFrom(data.AsSpan(0, pick.Next(data.Length)));
            return;
        }
        int at = pick.Next(data.Length);
        BitConverter.TryWriteBytes(data.AsSpan(at - (at % 8)), pick.Number());
        tensor.RawData = ByteString.CopyFrom(data);
    }

    /// <summary>Small integers are shapes, axes and bounds, which recognition computes with.</summary>
    private static void MakeInlineInteger(TensorProto tensor, Picker pick)
    {
        if (tensor.DataType != (int)DataType.Int64 || tensor.DataLocation == DataLocation.External)
        {
            return;
        }
        int count = pick.Once(4) ? 200_000 : pick.Next(6);
        tensor.ClearRawData();
        tensor.Int64Data.Clear();
        tensor.Int64Data.AddRange(Enumerable.Range(0, count).Select(_ => pick.Number()));
        tensor.Dims.Clear();
        tensor.Dims.Add(count);
    }
}
