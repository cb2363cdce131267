using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Every real export beside the repository: what is recognised of it; and, run in ONNX Runtime, that slots without an adapter change no bit and slots with one do.</summary>
[TestClass]
public sealed class ExportTableTests
{
    private const string Grouped = "GroupQueryAttention";
    private const string Decomposed = "MatMul-Softmax-MatMul";

    /// <summary>One export.</summary>
    /// <param name="Layers">L.</param>
    /// <param name="Form">The form of every layer.</param>
    /// <param name="QueryHeads">H.</param>
    /// <param name="KeyValueHeads">G.</param>
    /// <param name="HeadSize">Elements of a head.</param>
    /// <param name="Type">The element type of the slots.</param>
    /// <param name="Values">How the value projection is stored.</param>
    private sealed record Row(int Layers, string Form, int QueryHeads, int KeyValueHeads, int HeadSize, DataType Type, string Values);

    private static readonly Dictionary<string, Row> Patchable = new(StringComparer.Ordinal)
    {
        ["reference-models/ref-llama2-mha"] = new(4, Grouped, 4, 4, 16, DataType.Float, "MatMul Float"),
        ["reference-models/ref-llama3-gqa-rope"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["reference-models/ref-qwen2"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["reference-models/ref-qwen3"] = new(4, Grouped, 4, 2, 32, DataType.Float, "MatMul Float"),
        ["reference-models/ref-mistral-sw8"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["reference-models/ref-phi3"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["reference-models/ref-gemma2"] = new(4, Grouped, 4, 2, 32, DataType.Float, "MatMul Float"),
        ["reference-models/ref-llama2-mha-int4-cpu"] = new(4, Grouped, 4, 4, 16, DataType.Float, "MatMulNBits 4 bit"),
        ["reference-models/ref-llama3-gqa-rope-int4-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMulNBits 4 bit"),
        ["builder-0.18/llama3-fp16-cuda"] = new(4, Grouped, 4, 2, 16, DataType.Float16, "MatMul Float16"),
        ["builder-0.18/llama3-fp16-dml"] = new(4, Grouped, 4, 2, 16, DataType.Float16, "MatMul Float16"),
        ["builder-0.18/llama3-int4-qdq-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Int4 with scales"),
        ["builder-0.18/llama3-int8-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMulNBits 8 bit"),
        ["builder-0.18/llama3-hidden-fp32"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["builder-0.18/qwen3-fp16-cuda"] = new(4, Grouped, 4, 2, 32, DataType.Float16, "MatMul Float16"),
        ["builder-0.18/qwen2-int4-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMulNBits 4 bit"),
        ["builder-0.18/phi3-int4-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMulNBits 4 bit"),
        ["other-exporters/old083-ref-llama2-mha-fp32-cpu"] = new(4, Grouped, 4, 4, 16, DataType.Float, "MatMul Float"),
        ["other-exporters/old083-ref-llama3-gqa-rope-int4-cpu"] = new(4, Grouped, 4, 2, 16, DataType.Float, "MatMulNBits 4 bit"),
        ["other-exporters/dyn18-ref-llama3-gqa-rope-eager"] = new(4, Decomposed, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["other-exporters/dyn23-ref-llama3-gqa-rope-sdpa"] = new(4, "Attention", 4, 2, 16, DataType.Float, "MatMul Float"),
        ["other-exporters/optimum-ref-llama3-gqa-rope"] = new(4, Decomposed, 4, 2, 16, DataType.Float, "MatMul Float"),
        ["genai_tiny-random-Llama-fp32"] = new(2, Grouped, 1, 1, 16, DataType.Float, "MatMul Float"),
        ["genai_tiny-random-Llama-fp16"] = new(2, "MultiHeadAttention", 1, 1, 16, DataType.Float16, "MatMul Float16"),
        ["genai_tiny-qwen35-cuda"] = new(2, Grouped, 4, 2, 16, DataType.Float16, "MatMul Float16"),
        ["genai_webgpu-tiny-gqa"] = new(1, Grouped, 2, 2, 32, DataType.Float16, "MatMul Float16"),
        ["llama_export/llama_export_static.onnx"] = new(1, Decomposed, 2, 2, 8, DataType.Float, "Gemm Float"),
        ["llama_export/llama_export_dynamic.onnx"] = new(1, Decomposed, 2, 2, 8, DataType.Float, "Gemm Float"),
        ["llama_export/em_llama_custom_static_fp32_cuda_large_h6_58fa9.onnx.2.onnx"] = new(6, Decomposed, 32, 32, 128, DataType.Float, "FusedMatMul Float"),
        ["llama_export/microsoft_Phi-4-mini-reasoning-custom-default-f32-cpu.onnx"] = new(2, Decomposed, 24, 8, 128, DataType.Float, "MatMul Float"), // attention is a model-local function
    };

    /// <summary>What is refused, and a part of the reason.</summary>
    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["genai_tiny-random-gpt2-fp32"] = "learned position embeddings",
        ["llama_export/llama_forward.onnx"] = "the weight is not a constant", // weights are inputs of the graph
    };

    /// <summary>Exports that ONNX Runtime's CPU cannot run, and why.</summary>
    private static readonly HashSet<string> NotOnCpu =
    [
        "builder-0.18/qwen3-fp16-cuda", // GroupQueryAttention normalises queries and keys on CUDA and WebGPU only
        "llama_export/llama_export_static.onnx", // its only output is not called logits, its shapes are fixed
        "llama_export/llama_export_dynamic.onnx",
        "llama_export/em_llama_custom_static_fp32_cuda_large_h6_58fa9.onnx.2.onnx", // the data file is not there
        "llama_export/microsoft_Phi-4-mini-reasoning-custom-default-f32-cpu.onnx",
    ];

    public static IEnumerable<object[]> Exports => Material.HasShared ? Patchable.Keys.Select(name => new object[] { name }) : [["(none)"]];

    public static IEnumerable<object[]> Runnable => Material.HasShared ? Patchable.Keys.Except(NotOnCpu).Select(name => new object[] { name }) : [["(none)"]];

    [TestMethod]
    public void Table_NamesEveryExport()
    {
        string exports = Material.Shared("exports");
        string[] files = [.. Directory.EnumerateFiles(exports, "*.onnx", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(exports, file).Replace('\\', '/'))];
        string[] named = [.. Patchable.Keys.Concat(Refused.Keys)];
        CollectionAssert.AreEqual(Array.Empty<string>(), files.Where(file => !named.Contains(file) && !named.Contains(Path.GetDirectoryName(file)!.Replace('\\', '/'))).ToArray());
    }

    [TestMethod]
    [DynamicData(nameof(Exports))]
    public void Recognise_OfARealExport_FindsEveryLayer(string name)
    {
        RecognisedModel recognised = RecognisedModel.Of(Load(name));
        AttentionCore? failed = recognised.Cores.FirstOrDefault(core => !core.Match.Success);
        Assert.IsNull(failed, $"layer {failed?.Layer}: {failed?.Match.Reason}: {failed?.Match.Culprit}");
        Row[] found = [.. recognised.Cores.Select(core => core.Match.Found!).Select(site =>
            new Row(recognised.Cores.Count, site.Form, site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.ElementType, site.Value.Projection.Kind)).Distinct()];
        CollectionAssert.AreEqual(new[] { Patchable[name] }, found);
    }

    [TestMethod]
    public void Recognise_OfRefusedExports_SaysTheTrueReason()
    {
        foreach ((string name, string reason) in Refused)
        {
            RecognisedModel recognised = RecognisedModel.Of(Load(name));
            Assert.IsNotEmpty(recognised.Cores);
            foreach (AttentionCore core in recognised.Cores)
            {
                Assert.Contains(reason, core.Match.Reason ?? "(recognised)", $"{name}, layer {core.Layer}");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Runnable))]
    public void Run_OfAPatchedExport_WithoutAdapterIsTheBaseBitForBitAndWithOneIsNot(string name)
    {
        OnnxModel model = Load(name);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        long[] ids = [.. Enumerable.Range(0, 12).Select(i => (long)((i * 37) % 250))];
        float[] expected = Run(model, sites[0], ids);
        OnnxModel patched = model.Clone();
        SlotLayouts.Apply(patched, RecognisedModel.Of(patched).RequireSites(), SlotLayout.OneToken);
        CollectionAssert.AreEqual(Array.ConvertAll(expected, BitConverter.SingleToInt32Bits), Array.ConvertAll(Run(patched, sites[0], ids), BitConverter.SingleToInt32Bits));

        const int seed = 5;
        Random random = new(seed);
        long size = sites[0].HiddenSize;
        float[] delta = [.. Enumerable.Range(0, (int)(sites.Count * size)).Select(_ => (random.NextSingle() * 2) - 1)];
        float[] adapted = Run(patched, sites[0], ids, (OneTokenInjection.Slot, delta, [1, sites.Count, size]));
        Assert.IsTrue(adapted.All(float.IsFinite));
        Assert.IsGreaterThan(1e-3f, adapted.Zip(expected, (a, b) => Math.Abs(a - b)).Max(), $"seed {seed}");
    }

    /// <summary>Linked without a look at data files, which two of the exports lack: recognition reads none.</summary>
    private static OnnxModel Load(string name)
    {
        string path = Material.Shared(["exports", .. name.Split('/')]);
        if (!path.EndsWith(".onnx", StringComparison.Ordinal))
        {
            return ModelLoader.Load(path);
        }
        return ModelLoader.FromProto(Onnx.ModelProto.Parser.ParseFrom(File.ReadAllBytes(path)), path);
    }

    private static float[] Run(OnnxModel model, AttentionSite site, long[] ids, params IReadOnlyList<(string Name, float[] Data, long[] Shape)> slots)
    {
        // Gemma 2's sliding layers want room in the cache from the start.
        int capacity = site.Core.Attributes.Int("sliding_window_cache", 0) != 0 ? 64 : 0;
        using DecoderRunner runner = new(model, site.HeadSize, capacity, slots);
        return runner.Run(ids, batch: 1).Logits;
    }
}
