using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Real exports of every form, and small layers of the forms that no export beside the repository has. Weights stand outside: an input is a graph, not megabytes of numbers.</summary>
internal static class Seeds
{
    // The largest graph is 30 times the smallest and takes as much longer: it teaches no more.
    private const int LargestGraph = 200_000;
    private const int LargestInline = 1024;

    /// <summary>Lays every seed out in a folder of its own.</summary>
    public static IReadOnlyList<Seed> In(string folder)
    {
        List<Seed> seeds = [];
        foreach ((string name, ModelProto model, string? from) in Exports())
        {
            string own = Path.Combine(folder, $"{seeds.Count}");
            Directory.CreateDirectory(own);
            MoveWeightsOut(model, own);
            LayDataFiles(model, from, own);
            Add(name, model, own);
            foreach ((string part, ModelProto small) in Parts(model, own))
            {
                Add($"{name}, {part}", small, own);
            }
        }
        foreach ((string name, string text) in SmallLayers.All)
        {
            string own = Path.Combine(folder, $"{seeds.Count}");
            Directory.CreateDirectory(own);
            Add(name, MoveWeightsIn(OnnxText.Parse(text)), own);
        }
        return seeds;

        void Add(string name, ModelProto model, string own)
        {
            byte[] bytes = model.ToByteArray();
            if (bytes.Length <= LargestGraph)
            {
                seeds.Add(new Seed(name, bytes, Path.Combine(own, "model.onnx")));
            }
        }
    }

    private static IEnumerable<(string Name, ModelProto Model, string Folder)> Exports()
    {
        string exports = Path.GetFullPath(Path.Combine(Material.Repository, "..", "shared", "exports"));
        string[] roots = [Path.GetDirectoryName(Material.Pocket())!, .. Directory.Exists(exports) ? [exports] : Array.Empty<string>()];
        foreach (string file in roots.SelectMany(root => Directory.GetFiles(root, "*.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal)))
        {
            string folder = Path.GetDirectoryName(file)!;
            yield return (Path.GetRelativePath(Path.Combine(folder, "..", ".."), file), ModelProto.Parser.ParseFrom(File.ReadAllBytes(file)), folder);
        }
    }

    /// <summary>The first two layers of an export without its head, which say as much in a quarter of the time; of the embedded model patched ones too.</summary>
    private static IEnumerable<(string Part, ModelProto Model)> Parts(ModelProto whole, string folder)
    {
        const int layers = 2;
        OnnxModel model = ModelLoader.FromProto(whole.Clone(), Path.Combine(folder, "model.onnx"));
        RecognisedModel recognised = RecognisedModel.Of(model);
        if (recognised.Cores.Count <= layers || recognised.Cores.Any(core => !core.Match.Success))
        {
            yield break;
        }
        Value last = recognised.Cores[layers].Match.Found!.Key.Projection.Source;
        TypeProto? logits = model.Graph.Find("logits")?.Type;
        foreach (Value output in model.Graph.Outputs.ToArray())
        {
            model.Graph.RemoveOutput(output);
        }
        model.Graph.AddOutput(last, last.Type ?? new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } });
        model.Graph.RemoveUnused();
        if (logits is not null)
        {
            // Its shape says the size of the vocabulary.
            model.Graph.AddOutput(model.Graph.AddNode("Identity", Domains.Standard, "head", [last], ["logits"]).Output, logits);
        }
        yield return ("two layers", model.ToProto());
        if (Path.GetFileName(folder) == "0")
        {
            foreach (SlotLayout layout in SlotLayouts.All)
            {
                OnnxModel patched = model.Clone();
                SlotLayouts.Apply(patched, RecognisedModel.Of(patched).RequireSites(), layout);
                yield return ($"two layers with {SlotLayouts.NameOf(layout)} slots", patched.ToProto());
            }
        }
    }

    /// <summary>The small layers' weights are references to files that do not exist: zeros stand in.</summary>
    private static ModelProto MoveWeightsIn(ModelProto model)
    {
        foreach (TensorProto tensor in model.Graph.Initializer.Where(tensor => tensor.DataLocation == DataLocation.External))
        {
            tensor.RawData = ByteString.CopyFrom(new byte[ExternalData.Of(tensor).Length]);
            tensor.ExternalData.Clear();
            tensor.ClearDataLocation();
        }
        return model;
    }

    private static void MoveWeightsOut(ModelProto model, string folder)
    {
        const string location = "inline.data";
        using FileStream data = File.Create(Path.Combine(folder, location));
        foreach (TensorProto tensor in model.Graph.Initializer.Where(tensor => tensor.DataLocation != DataLocation.External && tensor.RawData.Length > LargestInline))
        {
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "offset", Value = $"{data.Position}" });
            tensor.ExternalData.Add(new StringStringEntryProto { Key = "length", Value = $"{tensor.RawData.Length}" });
            tensor.DataLocation = DataLocation.External;
            tensor.RawData.WriteTo(data);
            tensor.ClearRawData();
        }
    }

    /// <summary>Copies data files; where one is absent, a file of holes stands in.</summary>
    private static void LayDataFiles(ModelProto model, string? from, string folder)
    {
        foreach (IGrouping<string, ExternalData> data in model.Graph.Initializer.Where(tensor => tensor.DataLocation == DataLocation.External).Select(ExternalData.Of).GroupBy(data => data.Location))
        {
            string file = Path.Combine(folder, data.Key);
            if (File.Exists(file))
            {
                continue;
            }
            if (from is not null && File.Exists(Path.Combine(from, data.Key)))
            {
                File.WriteAllBytes(file, File.ReadAllBytes(Path.Combine(from, data.Key)));
                continue;
            }
            using FileStream holes = File.Create(file);
            holes.SetLength(data.Max(region => region.Offset + region.Length));
        }
    }
}
