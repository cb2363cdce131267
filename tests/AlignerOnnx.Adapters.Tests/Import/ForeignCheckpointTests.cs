using System.IO.Compression;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Import;

/// <summary>What becomes an adapter without loss, and what is refused because it would not.</summary>
[TestClass]
public sealed class ForeignCheckpointTests
{
    private const int Layers = 6;
    private const int Size = 128;
    private const int Heads = 4;
    private const int Start = 2;

    private static readonly string Model = Material.Pocket();

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    [TestMethod]
    [DataRow(DataType.Float)]
    [DataRow(DataType.Float16)]
    [DataRow(DataType.Bfloat16)]
    public void Aligner_ForItsModel_IsTheSameNumbers(DataType type)
    {
        Adapter adapter = ForeignCheckpoint.Read(Write(TorchArchive.Of(type, Aligner(tokens: 2))), Model);
        CollectionAssert.AreEqual(Rounded(Tokens(2), type), adapter.Tokens.ToArray());
        CollectionAssert.AreEqual(Rounded([.. Enumerable.Range(Start, Layers - Start).SelectMany(GatesOf)], type), adapter.Gates.ToArray());
        adapter.RequireFits(RecognisedModel.Of(ModelLoader.Load(Model)).RequireSites(), anyBase: false);
    }

    [TestMethod]
    public void Aligner_WithoutItsModel_FitsWithAnyBaseAlone()
    {
        Adapter adapter = ForeignCheckpoint.Read(Write(TorchArchive.Of(DataType.Float, Aligner(tokens: 1))), model: null);
        Assert.AreEqual((Layers, Heads, Heads, Size / Heads), (adapter.Config.NumLayers, adapter.Config.NumHeads, adapter.Config.NumKvHeads, adapter.Config.HeadDim));
        // The embedded model has fewer key/value heads; one that fits but for its weights is made up here.
        Adapter fitting = adapter with { Config = adapter.Config with { NumKvHeads = 2 } };
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(Model)).RequireSites();
        Assert.Contains("not known", Assert.ThrowsExactly<AdapterRefusedException>(() => fitting.RequireFits(sites, anyBase: false)).Message);
        fitting.RequireFits(sites, anyBase: true);
        AdapterPackage.Save(adapter, Path.Combine(_root, "saved"));
        Assert.AreEqual(adapter.Config, AdapterPackage.Load(Path.Combine(_root, "saved")).Config);
    }

    /// <summary>As <c>model.state_dict()</c> of parameters is saved, and as litgpt shapes gates.</summary>
    [TestMethod]
    public void Aligner_AsAnOrderedDictionaryOfParameters_IsTheSame()
    {
        TorchArchive archive = new TorchArchive().Raw(0x80, 2).Global("collections", "OrderedDict").Raw(")R(");
        foreach ((string name, long[] shape, float[] values) in Aligner(tokens: 1))
        {
            long[] asLitgpt = shape is [1, _, 1, 1] ? [1, 1, shape[1], 1] : shape;
            archive.Text(name).Global("torch._utils", "_rebuild_parameter").Raw("(").Tensor(DataType.Float, asLitgpt, values).Raw(0x88).Global("collections", "OrderedDict").Raw(")RtR");
        }
        archive.Raw("u}").Text("_metadata").Raw("}").Text("version").Int(1).Raw("ssb.");
        CollectionAssert.AreEqual(Tokens(1), ForeignCheckpoint.Read(Write(archive), Model).Tokens.ToArray());
    }

    [TestMethod]
    public void OneGateALayer_IsThatOfEveryHead()
    {
        IEnumerable<(string, long[], float[])> tensors = Aligner(tokens: 1).Select(tensor => tensor.Shape is [1, Heads, 1, 1] ? (tensor.Name, [1], [tensor.Values[0]]) : tensor);
        string file = Write(TorchArchive.Of(DataType.Float, tensors));
        CollectionAssert.AreEqual(Enumerable.Range(Start, Layers - Start).SelectMany(layer => Enumerable.Repeat(GatesOf(layer)[0], Heads)).ToArray(), ForeignCheckpoint.Read(file, Model).Gates.ToArray());
        AssertRefused("--model", file, model: null);
    }

    [TestMethod]
    public void LayersWithTokensOfTheirOwn_AreRefusedAndSaysWhere()
    {
        (string Name, long[] Shape, float[] Values)[] tensors = [.. Aligner(tokens: 2).Where(tensor => tensor.Name != "global_value_embedding.weight")];
        CollectionAssert.AreEqual(Tokens(2), ForeignCheckpoint.Read(Write(TorchArchive.Of(DataType.Float, tensors)), Model).Tokens.ToArray());
        int other = Array.FindIndex(tensors, tensor => tensor.Name == "transformer.h.4.attn.adapter_wte.weight");
        tensors[other].Values[5] = 8.5f;
        AdapterRefusedException refusal = AssertRefused("of its own", Write(TorchArchive.Of(DataType.Float, tensors)));
        Assert.Contains("element 5 is 8.5 in layer 4", refusal.Found!);
    }

    [TestMethod]
    [DataRow("transformer.h.3.attn.gating_factor", null, "without gates")]
    [DataRow("transformer.h.3", null, "Layers between")]
    [DataRow("gating_factor", null, "no tokens and gates")]
    [DataRow("transformer.h.3.attn.gating_factor", "transformer.h.3.attn.gating", "'transformer.h.3.attn.gating'")]
    [DataRow("transformer.h.3.attn", "transformer.h.99999999999.attn", "no model has")]
    [DataRow("transformer.h.3.attn", "transformer.h.4.attn", "a layer twice")]
    public void OtherTensors_AreRefused(string part, string? instead, string reason)
    {
        List<(string Name, long[] Shape, float[] Values)> tensors = [];
        foreach ((string name, long[] shape, float[] values) in Aligner(tokens: 1))
        {
            string renamed = instead is null ? name : name.Replace(part, instead, StringComparison.Ordinal);
            if (instead is not null || !name.Contains(part, StringComparison.Ordinal))
            {
                // The same name twice would be another fault: PEFT's name stands for the same layer.
                tensors.Add((tensors.Any(tensor => tensor.Name == renamed) ? renamed.Replace("transformer.h", "layers", StringComparison.Ordinal).Replace("attn.adapter_wte.weight", "self_attn.adaption_prompt", StringComparison.Ordinal).Replace("attn.gating_factor", "self_attn.adaption_gate", StringComparison.Ordinal) : renamed, shape, values));
            }
        }
        AssertRefused(reason, Write(TorchArchive.Of(DataType.Float, tensors)));
    }

    [TestMethod]
    [DataRow("model-fp32", 3, "another architecture")]
    public void AnotherModel_IsRefused(string form, int heads, string reason)
    {
        IEnumerable<(string, long[], float[])> tensors = Aligner(tokens: 1).Select(tensor => tensor.Shape is [1, Heads, 1, 1] ? (tensor.Name, [1, heads, 1, 1], tensor.Values[..heads]) : tensor);
        AssertRefused(reason, Write(TorchArchive.Of(DataType.Float, tensors)), Material.Pocket(form));
    }

    [TestMethod]
    public void NumbersThatAreNotFinite_AreRefused()
    {
        (string Name, long[] Shape, float[] Values)[] tensors = [.. Aligner(tokens: 1)];
        tensors[1].Values[2] = float.NaN;
        AssertRefused("not finite", Write(TorchArchive.Of(DataType.Float, tensors)));
    }

    [TestMethod]
    public void Export_AsTheAuthorsKeepTheirs_ComesBackTheSameWithItsTokensStoredOnce()
    {
        Adapter adapter = RandomAdapter.For(RecognisedModel.Of(ModelLoader.Load(Model)).RequireSites(), 3, seed: 9);
        string file = Path.Combine(_root, "adapter.pth");
        LitLlamaCheckpoint.Write(adapter, file);
        Adapter found = ForeignCheckpoint.Read(file, Model);
        CollectionAssert.AreEqual(adapter.Tokens.ToArray(), found.Tokens.ToArray());
        CollectionAssert.AreEqual(adapter.Gates.ToArray(), found.Gates.ToArray());
        Assert.AreEqual(adapter.Config with { BaseModelNameOrPath = "", Training = null }, found.Config with { BaseModelNameOrPath = "", Training = null });
        using ZipArchive archive = ZipFile.OpenRead(file);
        Assert.AreEqual(sizeof(float) * (adapter.Tokens.Length + adapter.Gates.Length), archive.Entries.Where(entry => entry.FullName.Contains("/data/", StringComparison.Ordinal)).Sum(entry => entry.Length));
    }

    [TestMethod]
    public void Export_OfAConcatAdapter_IsRefused() => Assert.ThrowsExactly<AdapterRefusedException>(
        () => LitLlamaCheckpoint.Write(RandomAdapter.For(RecognisedModel.Of(ModelLoader.Load(Model)).RequireSites(), 2, seed: 1, concat: true), Path.Combine(_root, "adapter.pth")));

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Peft_WithTheSamePromptInEveryLayer_IsThatAdapter(bool safetensors)
    {
        string folder = WritePeft(safetensors, Peft(tokens: 3));
        Adapter adapter = ForeignCheckpoint.Read(folder, Model);
        CollectionAssert.AreEqual(Tokens(3), adapter.Tokens.ToArray());
        CollectionAssert.AreEqual(Enumerable.Range(Start, Layers - Start).SelectMany(layer => Enumerable.Repeat(GatesOf(layer)[0], Heads)).ToArray(), adapter.Gates.ToArray());
    }

    [TestMethod]
    public void Peft_WithPromptsOfItsLayers_IsRefusedAndSaysWhere()
    {
        (string Name, long[] Shape, float[] Values)[] tensors = [.. Peft(tokens: 3)];
        tensors[2].Values[0]++;
        Assert.Contains("element 0", AssertRefused("of its own", WritePeft(true, tensors)).Found!);
    }

    [TestMethod]
    [DataRow("ADAPTION_PROMPT", "LORA", "adaption_prompt")]
    [DataRow("ADAPTION_PROMPT", "ALIGNER", "already")]
    [DataRow("\"adapter_len\": 3", "\"adapter_len\": 4", "adapter_len 4")]
    [DataRow("\"adapter_layers\": 4", "\"adapter_layers\": 5", "adapter_layers 5")]
    [DataRow("\"adapter_len\": 3,", "", "malformed")]
    [DataRow("{", "[", "malformed")]
    public void Peft_OfAnotherConfiguration_IsRefused(string from, string to, string reason)
    {
        string folder = WritePeft(true, Peft(tokens: 3));
        string config = Path.Combine(folder, AdapterPackage.ConfigFile);
        string text = File.ReadAllText(config);
        Assert.Contains(from, text);
        File.WriteAllText(config, text.Replace(from, to, StringComparison.Ordinal));
        AssertRefused(reason, folder);
    }

    private static AdapterRefusedException AssertRefused(string reason, string source, string? model = "")
    {
        AdapterRefusedException refusal = Assert.ThrowsExactly<AdapterRefusedException>(() => ForeignCheckpoint.Read(source, model is "" ? Model : model));
        Assert.Contains(reason, refusal.Message);
        return refusal;
    }

    private static float[] Tokens(int count) => [.. Enumerable.Range(0, count * Size).Select(i => MathF.Sin(i))];

    private static float[] GatesOf(int layer) => [.. Enumerable.Range(0, Heads).Select(head => 0.1f * MathF.Cos((layer * Heads) + head))];

    private static float[] Rounded(float[] numbers, DataType type) => FloatEncoding.ToSingles(FloatEncoding.ToBytes(numbers, type), type);

    /// <summary>As the authors' code names them: the tokens once, and again under the name of each layer.</summary>
    private static IEnumerable<(string Name, long[] Shape, float[] Values)> Aligner(int tokens) =>
        Enumerable.Range(Start, Layers - Start).SelectMany(layer => new (string, long[], float[])[]
        {
            ($"transformer.h.{layer}.attn.adapter_wte.weight", [tokens, Size], Tokens(tokens)), ($"transformer.h.{layer}.attn.gating_factor", [1, Heads, 1, 1], GatesOf(layer)),
        }).Prepend(("global_value_embedding.weight", [tokens, Size], Tokens(tokens)));

    private static IEnumerable<(string Name, long[] Shape, float[] Values)> Peft(int tokens) =>
        Enumerable.Range(Start, Layers - Start).SelectMany(layer => new (string, long[], float[])[]
        {
            ($"base_model.model.model.layers.{layer}.self_attn.adaption_prompt", [1, tokens, Size], Tokens(tokens)), ($"base_model.model.model.layers.{layer}.self_attn.adaption_gate", [1], [GatesOf(layer)[0]]),
        });

    private string Write(TorchArchive archive)
    {
        string file = Path.Combine(_root, $"{Guid.NewGuid():N}.pth");
        File.WriteAllBytes(file, archive.ToBytes());
        return file;
    }

    private string WritePeft(bool safetensors, IEnumerable<(string Name, long[] Shape, float[] Values)> tensors)
    {
        string folder = Path.Combine(_root, $"{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, AdapterPackage.ConfigFile), JsonSerializer.Serialize(new { peft_type = "ADAPTION_PROMPT", adapter_len = 3, adapter_layers = Layers - Start, target_modules = "self_attn" }, s_indented));
        if (safetensors)
        {
            using FileStream stream = File.Create(Path.Combine(folder, AdapterPackage.TensorFile));
            SafetensorsFile.Write(stream, [.. tensors.Select(tensor => SafetensorsTensor.Of(tensor.Name, tensor.Values, tensor.Shape))]);
        }
        else
        {
            File.WriteAllBytes(Path.Combine(folder, "adapter_model.bin"), TorchArchive.Of(DataType.Float, tensors).ToBytes());
        }
        return folder;
    }

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };
}
