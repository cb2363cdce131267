using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Hostile;

/// <summary>The embedded model with one thing changed for the worse, taken through the public path: load, recognise, patch.</summary>
internal sealed class HostileModel : IDisposable
{
    private readonly string _root = Material.NewTemporaryFolder();

    /// <param name="attack">Changes the embedded model's message; null leaves it as it is.</param>
    public HostileModel(Action<ModelProto>? attack = null)
    {
        Folder = Path.Combine(_root, "model");
        Directory.CreateDirectory(Folder);
        foreach (string file in Directory.GetFiles(Material.Pocket()).Where(file => Path.GetFileName(file) is "model.onnx.data" or "genai_config.json"))
        {
            File.Copy(file, Path.Combine(Folder, Path.GetFileName(file)));
        }
        ModelProto model = Pocket();
        attack?.Invoke(model);
        File.WriteAllBytes(OnnxFile, model.ToByteArray());
    }

    public string Folder { get; }

    public string OnnxFile => Path.Combine(Folder, "model.onnx");

    public string DataFile => Path.Combine(Folder, "model.onnx.data");

    /// <summary>Beside the model's folder: what an attack wants to reach.</summary>
    public string Outside => Path.Combine(_root, "outside");

    /// <summary>Expects that patching is refused for this reason and leaves nothing behind.</summary>
    /// <param name="what">Words of what is wrong.</param>
    /// <param name="culprit">Words of where, found or expected.</param>
    public void AssertRefused(string what, string culprit)
    {
        string[] before = Directory.GetFileSystemEntries(_root);
        foreach (SlotLayout layout in SlotLayouts.All)
        {
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelPatcher.Patch(Folder, Path.Combine(_root, "patched"), layout: layout));
            StringAssert.Contains(refusal.What, what);
            StringAssert.Contains($"{refusal.Where} {refusal.Found} {refusal.Expected}", culprit);
            Assert.IsNotNull(refusal.Where);
            Assert.IsNotNull(refusal.Remedy, refusal.Message);
        }
        CollectionAssert.AreEquivalent(before, Directory.GetFileSystemEntries(_root));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    public static ModelProto Pocket() => ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Material.Pocket(), "model.onnx")));

    public static TensorProto External(ModelProto model) => model.Graph.Initializer.First(tensor => tensor.DataLocation == DataLocation.External);

    /// <summary>Sets one entry of a tensor's external data.</summary>
    public static void Set(TensorProto tensor, string key, string value)
    {
        StringStringEntryProto? entry = tensor.ExternalData.FirstOrDefault(entry => entry.Key == key);
        if (entry is null)
        {
            tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
        }
        else
        {
            entry.Value = value;
        }
    }

    public static NodeProto First(ModelProto model, string opType) => model.Graph.Node.First(node => node.OpType == opType);

    public static AttributeProto Attribute(NodeProto node, string name)
    {
        AttributeProto? attribute = node.Attribute.FirstOrDefault(attribute => attribute.Name == name);
        if (attribute is null)
        {
            attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Int };
            node.Attribute.Add(attribute);
        }
        return attribute;
    }
}
