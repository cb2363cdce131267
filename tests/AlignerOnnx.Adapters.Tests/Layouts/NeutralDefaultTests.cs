using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>A patched model without an adapter is its base bit for bit: every layout, every export that ONNX Runtime runs here, whole prompts and steps with a cache, one row and three.</summary>
[TestClass]
public sealed class NeutralDefaultTests
{
    private const int Length = 6;

    // Its rotary embedding has the positions of one row.
    private const string OneRowAtATime = "dyn23-ref-llama3-gqa-rope-sdpa";

    /// <summary>Left out: Qwen3 for CUDA (its operator inputs are not for the CPU), exports without weights, models without attention and GPT-2.</summary>
    private static readonly string[] Exports =
    [
        "builder-0.18/llama3-fp16-cuda", "builder-0.18/llama3-fp16-dml", "builder-0.18/llama3-hidden-fp32", "builder-0.18/llama3-int4-qdq-cpu", "builder-0.18/llama3-int8-cpu",
        "builder-0.18/phi3-int4-cpu", "builder-0.18/qwen2-int4-cpu", "genai_tiny-random-Llama-fp16", "genai_tiny-random-Llama-fp32", "genai_webgpu-tiny-gqa",
        "other-exporters/dyn18-ref-llama3-gqa-rope-eager", "other-exporters/dyn23-ref-llama3-gqa-rope-sdpa", "other-exporters/old083-ref-llama2-mha-fp32-cpu",
        "other-exporters/old083-ref-llama3-gqa-rope-int4-cpu", "other-exporters/optimum-ref-llama3-gqa-rope", "reference-models/ref-gemma2", "reference-models/ref-llama2-mha",
        "reference-models/ref-llama2-mha-int4-cpu", "reference-models/ref-llama3-gqa-rope", "reference-models/ref-llama3-gqa-rope-int4-cpu", "reference-models/ref-mistral-sw8",
        "reference-models/ref-phi3", "reference-models/ref-qwen2", "reference-models/ref-qwen3",
    ];

    public static IEnumerable<object[]> Cases =>
        from export in Material.HasShared ? Exports : ["(none)"]
        from layout in SlotLayouts.All
        select new object[] { export, layout };

    public static IEnumerable<object[]> EmbeddedCases =>
        from folder in new[] { "model-int4", "model-fp32" }
        from layout in SlotLayouts.All
        select new object[] { Material.Pocket(folder), layout };

    [TestMethod]
    [DynamicData(nameof(EmbeddedCases))]
    [DynamicData(nameof(Cases))]
    public void Logits_WithoutAdapter_AreThoseOfTheBaseBitForBit(string folder, SlotLayout layout)
    {
        OnnxModel model = ModelLoader.Load(Path.IsPathRooted(folder) ? folder : Material.Shared(["exports", .. folder.Split('/')]));
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        int capacity = sites.Any(site => site.Core.Attributes.Int("sliding_window_cache", 0) != 0) ? 64 : 0;
        using DecoderRunner original = new(model, sites[0].HeadSize, capacity);
        OnnxModel rewritten = model.Clone();
        if (folder.EndsWith("-qdq-cpu", StringComparison.Ordinal) && layout == SlotLayout.Portable)
        {
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => SlotLayouts.Apply(rewritten, RecognisedModel.Of(rewritten).RequireSites(), layout));
            Assert.Contains("many-token", refusal.Remedy!);
            return;
        }
        SlotLayouts.Apply(rewritten, RecognisedModel.Of(rewritten).RequireSites(), layout);
        using DecoderRunner patched = new(rewritten, sites[0].HeadSize, capacity);
        // The CPU computes float16 in float32 and stores weights converted where they have one reader alone; converted at each step, they are multiplied in another order, which changes the last bit.
        bool bitwise = sites[0].ElementType != DataType.Float16 || layout != SlotLayout.Portable;
        RequireEqual(original, patched, rows: 1, bitwise);
        if (!folder.EndsWith(OneRowAtATime, StringComparison.Ordinal))
        {
            RequireEqual(original, patched, rows: 3, bitwise);
        }
    }

    [TestMethod]
    [DynamicData(nameof(EmbeddedCases))]
    public void WithoutSlots_OfAPatchedModel_IsTheBaseGraph(string folder, SlotLayout layout)
    {
        OnnxModel model = ModelLoader.Load(folder);
        OnnxModel patched = model.Clone();
        SlotLayouts.Apply(patched, RecognisedModel.Of(patched).RequireSites(), layout);
        OnnxModel restored = SlotLayouts.WithoutSlots(patched);
        CollectionAssert.AreEqual(Nodes(model), Nodes(restored));
        CollectionAssert.AreEqual(model.Graph.Inputs.Select(input => input.Name).ToArray(), restored.Graph.Inputs.Select(input => input.Name).ToArray());
    }

    private static string[] Nodes(OnnxModel model) => [.. model.ToProto().Graph.Node.Select(node => $"{node.OpType} {string.Join(',', node.Input)} -> {string.Join(',', node.Output)}").Order(StringComparer.Ordinal)];

    private static void RequireEqual(DecoderRunner original, DecoderRunner patched, int rows, bool bitwise)
    {
        long[] ids = [.. Enumerable.Range(0, rows * Length).Select(i => 3L + (i * 7 % 11))];
        DecoderRunner.Step expected = original.Run(ids, rows);
        DecoderRunner.Step found = patched.Run(ids, rows);
        RequireEqual(expected, found, $"{rows} rows, prompt", bitwise);
        for (int step = 0; step < 2 && expected.Cache.Count > 0; step++)
        {
            long[] next = [.. Enumerable.Range(0, rows).Select(row => 4L + row + step)];
            expected = original.Run(next, rows, behind: expected);
            found = patched.Run(next, rows, behind: found);
            RequireEqual(expected, found, $"{rows} rows, step {step}", bitwise);
        }
    }

    private static void RequireEqual(DecoderRunner.Step expected, DecoderRunner.Step found, string what, bool bitwise)
    {
        if (bitwise)
        {
            CollectionAssert.AreEqual(Array.ConvertAll(expected.Logits, BitConverter.SingleToInt32Bits), Array.ConvertAll(found.Logits, BitConverter.SingleToInt32Bits), what);
            return;
        }
        // A few units in the last place of the largest logit, in float16.
        Closeness.AssertClose(expected.Logits, found.Logits, 4 * expected.Logits.Max(Math.Abs) / 1024, what);
    }
}
