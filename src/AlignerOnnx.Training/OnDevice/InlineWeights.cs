using System.Globalization;
using AlignerOnnx.Graph;
using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Training;

/// <summary>Puts weights from data files into the graph's own file.</summary>
internal static class InlineWeights
{
    /// <summary>Protocol buffers end at 2 GiB; the graph itself needs some of it.</summary>
    private const long MostBytes = (1L << 31) - (64L << 20);

    /// <summary>A model's file with everything in it; tensors that share a part of a data file get a copy each.</summary>
    /// <exception cref="ModelRefusedException">The weights are too large for one file.</exception>
    public static byte[] ToBytes(OnnxModel model)
    {
        Tensor[] external = [.. model.Graph.Values.Select(value => value.Initializer).OfType<Tensor>().Where(tensor => tensor.IsExternal)];
        long bytes = external.Sum(tensor => ExternalData.Of(tensor.Proto).Length);
        if (bytes > MostBytes)
        {
            throw new ModelRefusedException(
                "The weights are too large to stand inside a graph", model.Path, string.Create(CultureInfo.InvariantCulture, $"{bytes:N0} bytes"),
                string.Create(CultureInfo.InvariantCulture, $"at most {MostBytes:N0}"), "leave the weights in data files, or take a smaller quantisation of the model");
        }
        ModelProto proto = model.ToProto();
        Dictionary<string, Tensor> byName = external.ToDictionary(tensor => tensor.Proto.Name);
        for (int i = 0; i < proto.Graph.Initializer.Count; i++)
        {
            if (byName.TryGetValue(proto.Graph.Initializer[i].Name, out Tensor? tensor))
            {
                proto.Graph.Initializer[i] = Inline(tensor);
            }
        }
        return proto.ToByteArray();
    }

    private static TensorProto Inline(Tensor tensor)
    {
        TensorProto inline = tensor.Proto.Clone();
        inline.ExternalData.Clear();
        inline.ClearDataLocation();
        inline.RawData = UnsafeByteOperations.UnsafeWrap(tensor.ReadBytes());
        return inline;
    }
}
