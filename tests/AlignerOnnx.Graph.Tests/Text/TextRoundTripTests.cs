using AlignerOnnx.Graph.Text;
using AlignerOnnx.TestMaterial;
using Onnx;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>Every real model goes through text and back.</summary>
[TestClass]
public sealed class TextRoundTripTests
{
    public static IEnumerable<object[]> Models => OnnxFiles().Select(file => new object[] { file });

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void PrintThenParse_OfARealModel_GivesTheSameModelAndTheSameText(string file)
    {
        ModelProto original = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Material.Repository, file)));
        string text = OnnxText.Print(original);
        ModelProto read = OnnxText.Parse(text);
        Assert.AreEqual(SyntaxEquality.Normalise(original), SyntaxEquality.Normalise(read));
        Assert.AreEqual(text, OnnxText.Print(read));
    }

    [TestMethod]
    public void Load_OfAPrintedModel_GivesTheSameLinkedModel()
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket());
        string text = OnnxText.Print(model);
        OnnxModel read = OnnxText.Load(text, model.Path);
        Assert.AreEqual(text, OnnxText.Print(read));
        foreach (Value value in model.Graph.Values.Where(value => value.Initializer is not null))
        {
            CollectionAssert.AreEqual(value.Initializer!.ReadBytes(), read.Graph.Find(value.Name)!.Initializer!.ReadBytes(), value.Name);
        }
    }

    private static IEnumerable<string> OnnxFiles()
    {
        string[] folders = ["models", "../shared/exports", "../shared/models", "../shared/golden/training"];
        return folders.Select(folder => Path.Combine(Material.Repository, folder)).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.onnx", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Material.Repository, file)).Order(StringComparer.Ordinal);
    }
}
