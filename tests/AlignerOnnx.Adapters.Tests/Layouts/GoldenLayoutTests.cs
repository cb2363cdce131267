using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;

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

    public static IEnumerable<object[]> GeneratedCases => Material.HasShared ? Cases.Where(one => GoldenCase.Load((string)one[0], (string)one[1]).Has("gen.step_logits")) : Cases;

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_OfPaddedBatch_EqualReference(string model, string name, SlotLayout layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout).WithoutSlidingCache();
        GoldenCase golden = patched.Golden;
        using DecoderRunner decoder = patched.Decode();
        int batch = (int)golden.Shape("input_ids")[0];
        long[] first = patched.TokenIds;
        float[] logits = decoder.Run(Behind(first, golden.Int64s("input_ids"), batch), batch, Behind([.. first.Select(_ => 1L)], golden.Int64s("attention_mask"), batch)).Logits;
        int vocabulary = logits.Length / (batch * (first.Length + (int)golden.Shape("input_ids")[1]));
        Closeness.AssertLogits(golden, [.. logits.Chunk(logits.Length / batch).SelectMany(row => row.Skip(first.Length * vocabulary))]);
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
