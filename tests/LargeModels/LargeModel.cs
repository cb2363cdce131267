using System.Globalization;
using System.Text.RegularExpressions;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.LargeModels;

/// <summary>
/// Makes the graph of a large model from that of the embedded one, which the same builder exported: int4, one packed projection, tied embedding. Layers are copies of a layer, sizes are those of
/// the large model, and the data file has its true length but consists of holes.
/// </summary>
internal sealed partial class LargeModel
{
    private const string DataFile = "model.onnx.data";
    private const long Alignment = 4096;

    private readonly ModelSizes _sizes;
    private readonly ModelProto _small = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Material.Pocket(), "model.onnx")));
    private readonly int _smallLayers;
    private readonly Dictionary<long, long> _large;
    private long _end;

    private LargeModel(ModelSizes sizes)
    {
        _sizes = sizes;
        AttributeProto Of(string op, string name) => _small.Graph.Node.First(node => node.OpType == op).Attribute.First(attribute => attribute.Name == name);
        _smallLayers = _small.Graph.Node.Count(node => node.OpType == "GroupQueryAttention");
        long hidden = Of("MatMulNBits", "K").I;
        (long heads, long groups) = (Of("GroupQueryAttention", "num_heads").I, Of("GroupQueryAttention", "kv_num_heads").I);
        long inner = _small.Graph.Node.First(node => node.Name.Contains("gate_proj", StringComparison.Ordinal)).Attribute.First(attribute => attribute.Name == "N").I;
        long vocabulary = _small.Graph.Node.Last(node => node.OpType == "MatMulNBits").Attribute.First(attribute => attribute.Name == "N").I;
        _large = new Dictionary<long, long>
        {
            [hidden] = sizes.Hidden,
            [inner] = sizes.Inner,
            [vocabulary] = ModelSizes.Vocabulary,
            [heads] = sizes.QueryHeads,
            [groups] = sizes.KeyValueHeads,
            [hidden + (2 * groups * (hidden / heads))] = (sizes.QueryHeads + (2 * sizes.KeyValueHeads)) * sizes.HeadSize,
        };
    }

    /// <summary>Writes a model folder.</summary>
    public static void Write(ModelSizes sizes, string folder)
    {
        Directory.CreateDirectory(folder);
        LargeModel large = new(sizes);
        ModelProto model = large.Make();
        File.WriteAllBytes(Path.Combine(folder, "model.onnx"), model.ToByteArray());
        File.Copy(Path.Combine(Material.Pocket(), "genai_config.json"), Path.Combine(folder, "genai_config.json"));
        using FileStream holes = File.Create(Path.Combine(folder, DataFile));
        holes.SetLength(large._end);
    }

    private ModelProto Make()
    {
        ModelProto model = _small.Clone();
        GraphProto graph = model.Graph;
        graph.Node.Clear();
        graph.Node.AddRange(Copies(_small.Graph.Node, node => node.Name, RenameNode));
        Replace(graph.Input);
        Replace(graph.Output);
        Replace(graph.ValueInfo);
        graph.Initializer.Clear();
        graph.Initializer.AddRange(Copies(_small.Graph.Initializer, tensor => tensor.Name, (tensor, rename) => tensor.Name = rename(tensor.Name)));
        Resize(graph);
        return model;

        void Replace(IList<ValueInfoProto> values)
        {
            ValueInfoProto[] copies = [.. Copies(values, value => value.Name, (value, rename) => value.Name = rename(value.Name))];
            values.Clear();
            foreach (ValueInfoProto value in copies)
            {
                foreach (TensorShapeProto.Types.Dimension dimension in value.Type.TensorType.Shape?.Dim.Where(dimension => dimension.HasDimValue) ?? [])
                {
                    dimension.DimValue = _large.GetValueOrDefault(dimension.DimValue, dimension.DimValue);
                }
                values.Add(value);
            }
        }
    }

    /// <summary>Parts of layer 0 once, those of layer 1 for every layer behind it, those that belong to no layer or stand behind the last one once; the small model's other layers are left out.</summary>
    private IEnumerable<T> Copies<T>(IEnumerable<T> parts, Func<T, string> name, Action<T, Func<string, string>> rename) where T : IDeepCloneable<T>
    {
        foreach (T part in parts)
        {
            int? layer = LayerOf(name(part));
            foreach (int target in layer is null or 0 || layer == _smallLayers ? [_sizes.Layers] : layer == 1 ? Enumerable.Range(1, _sizes.Layers - 1) : [])
            {
                T copy = part.Clone();
                // In a copied layer, layer 0 stands for the one before; behind the last layer, the small model's last ones stand for those of the large one.
                rename(copy, text => Layer().Replace(text, match => $"{match.Groups[1].Value}.{Number(int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture))}"));
                yield return copy;

                int Number(int number) => layer == 1 ? number + target - 1 : number >= _smallLayers - 1 ? number + _sizes.Layers - _smallLayers : number;
            }
        }
    }

    private static void RenameNode(NodeProto node, Func<string, string> rename)
    {
        node.Name = rename(node.Name);
        for (int i = 0; i < node.Input.Count; i++)
        {
            node.Input[i] = rename(node.Input[i]);
        }
        for (int i = 0; i < node.Output.Count; i++)
        {
            node.Output[i] = rename(node.Output[i]);
        }
    }

    private void Resize(GraphProto graph)
    {
        Dictionary<string, TensorProto> tensors = graph.Initializer.ToDictionary(tensor => tensor.Name);
        foreach (NodeProto node in graph.Node)
        {
            foreach (AttributeProto attribute in node.Attribute.Where(attribute => attribute.Name is "N" or "K" or "num_heads" or "kv_num_heads"))
            {
                attribute.I = _large[attribute.I];
            }
            if (node.OpType == "MatMulNBits")
            {
                long Of(string name) => node.Attribute.First(attribute => attribute.Name == name).I;
                (long rows, long blocks) = (Of("N"), Of("K") / Of("block_size"));
                Shape(tensors[node.Input[1]], rows, blocks, Of("block_size") * Of("bits") / 8);
                Shape(tensors[node.Input[2]], rows, blocks);
            }
            if (node.OpType == "Constant" && node.Attribute[0].T is { Dims: [2] } shape)
            {
                shape.RawData = ByteString.CopyFrom([.. BitConverter.GetBytes(ModelSizes.Vocabulary), .. BitConverter.GetBytes(_sizes.Hidden / 2)]);
            }
        }
        foreach (TensorProto tensor in graph.Initializer)
        {
            if (tensor.Name is "cos_cache" or "sin_cache")
            {
                Shape(tensor, ModelSizes.Context, _sizes.HeadSize / 2);
            }
            else if (tensor.Dims.Count == 1)
            {
                Shape(tensor, _sizes.Hidden);
            }
            Place(tensor);
        }
    }

    private static void Shape(TensorProto tensor, params long[] shape)
    {
        tensor.Dims.Clear();
        tensor.Dims.AddRange(shape);
    }

    private void Place(TensorProto tensor)
    {
        long length = tensor.Dims.Aggregate(1L, (product, size) => product * size) * ((DataType)tensor.DataType == DataType.Uint8 ? 1 : sizeof(float));
        _end = (_end + Alignment - 1) / Alignment * Alignment;
        tensor.ClearRawData();
        tensor.ExternalData.Clear();
        foreach ((string key, string value) in ((string, string)[])[("location", DataFile), ("offset", $"{_end}"), ("length", $"{length}")])
        {
            tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        }
        tensor.DataLocation = DataLocation.External;
        _end += length;
    }

    private static int? LayerOf(string name) => Layer().Match(name) is { Success: true } match ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"(layers|past_key_values|present)\.(\d+)")]
    private static partial Regex Layer();
}
