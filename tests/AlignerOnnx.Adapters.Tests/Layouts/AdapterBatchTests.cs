using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>Rows of one batch may carry different adapters: each row answers as it does alone with its own.</summary>
[TestClass]
public sealed class AdapterBatchTests
{
    private const int Seed = 4711;
    private const int Rows = 3;
    private const int Length = 7;

    public static IEnumerable<object[]> Cases =>
        from folder in Material.HasShared
            ? [Material.Pocket("model-fp32"), .. new[] { "dyn18-ref-llama3-gqa-rope-eager", "optimum-ref-llama3-gqa-rope" }.Select(name => Material.Shared("exports", "other-exporters", name))]
            : new[] { Material.Pocket("model-fp32") }
        from layout in new[] { SlotLayout.OneToken, SlotLayout.ManyToken, SlotLayout.Prefix }
        select new object[] { folder, layout };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Rows_WithAdaptersOfTheirOwn_AnswerAsAlone(string folder, SlotLayout layout)
    {
        OnnxModel model = ModelLoader.Load(folder);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        // Seeded, so that a failure can be repeated: seed 4711.
        Random random = new(Seed);
        IReadOnlyList<AdapterParameter>[] adapters = [.. Enumerable.Range(0, Rows).Select(_ => AdapterCompiler.Parameters(RandomAdapter(sites, layout, random), sites, layout))];
        SlotLayouts.Apply(model, sites, layout);
        long[] ids = [.. Enumerable.Range(0, Rows * Length).Select(i => 3L + (i * 11 % 29))];
        long first = layout == SlotLayout.Prefix ? long.Parse(model.Metadata(PrefixInjection.FirstIdKey)!, System.Globalization.CultureInfo.InvariantCulture) : 0;
        int tokens = (int)adapters[0][0].Shape[0];
        float[] together = Run(model, sites, Stack(adapters, layout), [.. Enumerable.Range(0, Rows).SelectMany(row => Prompt(row, layout, ids, first + (row * tokens), tokens))], Rows);
        for (int row = 0; row < Rows; row++)
        {
            float[] alone = Run(model, sites, adapters[row], [.. Prompt(row, layout, ids, first, tokens)], 1);
            // float32 sums in another order.
            Closeness.AssertClose(alone, together.AsSpan(row * alone.Length, alone.Length), 1e-4, $"{layout}, row {row}");
        }
    }

    private static IEnumerable<long> Prompt(int row, SlotLayout layout, long[] ids, long firstId, int tokens) =>
        (layout == SlotLayout.Prefix ? Enumerable.Range(0, tokens).Select(i => firstId + i) : []).Concat(ids.Skip(row * Length).Take(Length));

    /// <summary>Adapters one after another: along the batch, of tables along the rows.</summary>
    private static IReadOnlyList<AdapterParameter> Stack(IReadOnlyList<AdapterParameter>[] adapters, SlotLayout layout) => [.. adapters[0].Select((slot, index) => slot with
    {
        Shape = [layout == SlotLayout.Prefix ? slot.Shape[0] * adapters.Length : adapters.Length, .. slot.Shape.Skip(1)],
        Data = adapters.SelectMany(adapter => adapter[index].Data.ToArray()).ToArray(),
    })];

    private static float[] Run(OnnxModel model, IReadOnlyList<AttentionSite> sites, IReadOnlyList<AdapterParameter> slots, long[] ids, int rows)
    {
        using DecoderRunner runner = new(model, sites[0].HeadSize, 0, [.. slots.Select(slot => (slot.Name, MemoryMarshal.Cast<byte, float>(slot.Data.Span).ToArray(), slot.Shape.ToArray()))]);
        return runner.Run(ids, rows).Logits;
    }

    private static Adapter RandomAdapter(IReadOnlyList<AttentionSite> sites, SlotLayout layout, Random random)
    {
        AdapterConfig config = Adapter.Describe(sites, "random", layout == SlotLayout.Prefix ? 0 : 1, layout == SlotLayout.OneToken ? 1 : 3) with { Attention = layout == SlotLayout.Prefix ? "concat" : "gated" };
        float[] Numbers(int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * ((2 * random.NextSingle()) - 1))];
        return new Adapter(config, Numbers(config.NumTokens * config.HiddenSize, 1.7f), Numbers(config.AdaptedLayers * config.NumHeads, 0.3f));
    }
}
