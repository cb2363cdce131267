using System.Globalization;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Patching;

/// <summary>Every slot layout against the independent PyTorch reference, within the tolerance that each case states: padded batches at once, and token by token with a cache.</summary>
[TestClass]
public sealed class LayoutGoldenTests
{
    private static readonly string[] Models =
    [
        "ref-llama2-mha", "ref-llama3-gqa-rope", "ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "ref-qwen2", "ref-qwen3", "ref-mistral-sw8", "ref-phi3", "ref-gemma2",
        "SmolLM2-135M-Instruct-int4",
    ];

    public static IEnumerable<object[]> Cases => Material.HasShared
        ? Models.SelectMany(model => GoldenCase.Names(model, "").Where(FollowsTheProject).SelectMany(name => Layouts(name).Select(layout => new object[] { model, name, layout })))
        : [["(none)", "(none)", "(none)"]];

    public static IEnumerable<object[]> GeneratedCases => Cases.Where(one => one[0] is "(none)" || GoldenCase.Load((string)one[0], (string)one[1]).Has("gen.step_logits"));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_OfPaddedBatch_EqualReference(string model, string name, string layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout).WithoutSlidingCache();
        GoldenCase golden = patched.Golden;
        using Decoder decoder = patched.Decode();
        int batch = (int)golden.Shape("input_ids")[0];
        long[] rows = RowIds(patched, layout);
        float[] logits = decoder.Step(Behind(rows, golden.Int64s("input_ids"), batch), batch, Behind([.. rows.Select(_ => 1L)], golden.Int64s("attention_mask"), batch));
        int vocabulary = logits.Length / (batch * (rows.Length + (int)golden.Shape("input_ids")[1]));
        Closeness.AssertLogits(golden, [.. logits.Chunk(logits.Length / batch).SelectMany(row => row.Skip(rows.Length * vocabulary))]);
    }

    [TestMethod]
    [DynamicData(nameof(GeneratedCases))]
    public void Logits_TokenByTokenWithCache_EqualReference(string model, string name, string layout)
    {
        PatchedCase patched = PatchedCase.Load(model, name, layout);
        GoldenCase golden = patched.Golden;
        using Decoder decoder = patched.Decode();
        long[] generated = golden.Int64s("gen.tokens");
        float[] expected = golden.Singles("gen.step_logits");
        int vocabulary = expected.Length / generated.Length;
        float[] logits = decoder.Step([.. RowIds(patched, layout), .. golden.Int64s("gen.prompt")], 1);
        for (int step = 0; step < generated.Length; step++)
        {
            Closeness.AssertClose(expected.AsSpan(step * vocabulary, vocabulary), logits.AsSpan(logits.Length - vocabulary), golden.Tolerance("gen.step_logits"), $"logits of step {step}");
            logits = decoder.Step([generated[step]], 1);
        }
    }

    /// <summary>The reference also has what the project decided against: scores of tokens that are not soft-capped.</summary>
    private static bool FollowsTheProject(string name) => !name.EndsWith("-nosoftcap", StringComparison.Ordinal);

    private static IEnumerable<string> Layouts(string name) =>
        name.StartsWith("concat-", StringComparison.Ordinal) ? [PrefixInjection.Layout]
        : name.StartsWith("gated-n1-", StringComparison.Ordinal) ? [OneTokenInjection.Layout, ManyTokenInjection.Layout, PortableSlotInjection.Layout]
        : [ManyTokenInjection.Layout, PortableSlotInjection.Layout];

    /// <summary>With <c>prefix</c> slots the ids of the adapter's rows, which stand before the sequence.</summary>
    private static long[] RowIds(PatchedCase patched, string layout) => layout != PrefixInjection.Layout ? []
        : [.. Enumerable.Range(0, patched.Golden.Tokens).Select(row => long.Parse(patched.Model.Metadata(PrefixInjection.ReservedIdKey)!, CultureInfo.InvariantCulture) + row)];

    private static long[] Behind(long[] first, long[] rows, int batch) => [.. rows.Chunk(rows.Length / batch).SelectMany(row => first.Concat(row))];
}
