using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>Patched models with compiled adapters against the independent reference: every layout, every family, padded batches at once and token by token with a cache.</summary>
[TestClass]
public sealed class GoldenLayoutTests
{
    private static readonly string[] Models =
    [
        "ref-llama2-mha", "ref-llama3-gqa-rope", "ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "ref-qwen2", "ref-qwen3", "ref-mistral-sw8", "ref-phi3", "ref-gemma2",
        "SmolLM2-135M-Instruct-int4",
    ];

    public static IEnumerable<object[]> Cases => Material.HasShared
        ? from model in Models
          from name in GoldenCase.Names(model, "").Where(FollowsTheProject)
          from layout in Layouts(name)
          select new object[] { model, name, layout }
        : [["(none)", "(none)", SlotLayout.OneToken]];

    // Its rotary embedding has the positions of one row.
    private const string OneRowAtATime = "other-exporters/dyn23-ref-llama3-gqa-rope-sdpa";

    /// <summary>Other exports of the same weights: other attention forms, operators and element types.</summary>
    private static readonly (string Export, string Model)[] Exports =
    [
        ("builder-0.18/llama3-fp16-cuda", "ref-llama3-gqa-rope"), ("builder-0.18/llama3-fp16-dml", "ref-llama3-gqa-rope"), ("builder-0.18/llama3-hidden-fp32", "ref-llama3-gqa-rope"),
        ("other-exporters/dyn18-ref-llama3-gqa-rope-eager", "ref-llama3-gqa-rope"), (OneRowAtATime, "ref-llama3-gqa-rope"),
        ("other-exporters/old083-ref-llama2-mha-fp32-cpu", "ref-llama2-mha"), ("other-exporters/optimum-ref-llama3-gqa-rope", "ref-llama3-gqa-rope"),
    ];

    public static IEnumerable<object[]> ExportCases => Material.HasShared
        ? from pair in Exports
          from name in new[] { "gated-n1-s2-seed11", "gated-n3-s0-seed16", "concat-n10-s0-seed22" }
          from layout in Layouts(name)
          select new object[] { pair.Export, pair.Model, name, layout }
        : [["(none)", "(none)", "(none)", SlotLayout.OneToken]];

    public static IEnumerable<object[]> GeneratedCases => Material.HasShared ? Cases.Where(one => GoldenCase.Load((string)one[0], (string)one[1]).Has("gen.step_logits")) : Cases;

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_OfPaddedBatch_EqualReference(string model, string name, SlotLayout layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout).WithoutSlidingCache();
        AssertPaddedBatch(patched, tolerance: null);
    }

    [TestMethod]
    [DynamicData(nameof(ExportCases))]
    public void Logits_OfOtherExports_EqualReference(string export, string model, string name, SlotLayout layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout, Material.Shared(["exports", .. export.Split('/')]));
        // The case says how far the reference itself moves in float16; weights, activations and slots are rounded here.
        AssertPaddedBatch(patched, patched.Sites[0].ElementType == DataType.Float16 ? 4 * patched.Golden.Float16Difference : null, oneByOne: export == OneRowAtATime);
    }

    private static void AssertPaddedBatch(PatchedCase patched, double? tolerance, bool oneByOne = false)
    {
        GoldenCase golden = patched.Golden;
        using DecoderRunner decoder = patched.Decode();
        (int batch, int length) = ((int)golden.Shape("input_ids")[0], (int)golden.Shape("input_ids")[1]);
        long[] first = patched.TokenIds;
        long[] ids = Behind(first, golden.Int64s("input_ids"), batch);
        long[] mask = Behind([.. first.Select(_ => 1L)], golden.Int64s("attention_mask"), batch);
        int total = first.Length + length;
        float[][] rows = oneByOne
            ? [.. ids.Chunk(total).Zip(mask.Chunk(total), (row, visible) => decoder.Run(row, 1, visible).Logits)]
            : [.. decoder.Run(ids, batch, mask).Logits is var all ? all.Chunk(all.Length / batch) : []];
        Closeness.AssertLogits(golden, [.. rows.SelectMany(row => row.Skip(first.Length * (row.Length / total)))], tolerance);
    }

    [TestMethod]
    [DynamicData(nameof(GeneratedCases))]
    public void Logits_TokenByTokenWithCache_EqualReference(string model, string name, SlotLayout layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout);
        GoldenCase golden = patched.Golden;
        using DecoderRunner decoder = patched.Decode();
        long[] generated = golden.Int64s("gen.tokens");
        float[] expected = golden.Singles("gen.step_logits");
        int vocabulary = expected.Length / generated.Length;
        DecoderRunner.Step step = decoder.Run([.. patched.TokenIds, .. golden.Int64s("gen.prompt")], 1);
        for (int i = 0; i < generated.Length; i++)
        {
            Closeness.AssertClose(expected.AsSpan(i * vocabulary, vocabulary), step.Logits.AsSpan(step.Logits.Length - vocabulary), golden.Tolerance("gen.step_logits"), $"logits of step {i}");
            step = decoder.Run([generated[i]], 1, behind: step);
        }
    }

    /// <summary>The reference also has what the project decided against: scores of tokens that are not soft-capped.</summary>
    private static bool FollowsTheProject(string name) => !name.EndsWith("-nosoftcap", StringComparison.Ordinal);

    private static SlotLayout[] Layouts(string name) =>
        name.StartsWith("concat-", StringComparison.Ordinal) ? [SlotLayout.Prefix]
        : name.StartsWith("gated-n1-", StringComparison.Ordinal) ? [SlotLayout.OneToken, SlotLayout.ManyToken, SlotLayout.Portable]
        : [SlotLayout.ManyToken, SlotLayout.Portable];

    private static long[] Behind(long[] first, long[] rows, int batch) => [.. rows.Chunk(rows.Length / batch).SelectMany(row => first.Concat(row))];
}
