using System.Globalization;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>
/// Every family by every exporter, as small models with random weights, against a computation in double precision that knows neither graphs nor recognition: what is
/// recognised, all slot layouts, whole prompts and steps with a cache, and the gradients of training.
/// </summary>
[TestClass]
public sealed class ExportTests
{
    private const int Seed = 77;

    private static readonly long[] Prompt = [3, 17, 5, 29, 11, 8, 23];
    private static readonly long[] Continuation = [14, 2];

    private static readonly Dictionary<string, ExportCase> All = ExportCases.All.ToDictionary(one => one.Name, StringComparer.Ordinal);

    public static IEnumerable<object[]> Cases => All.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Recognise_FindsWhatTheExporterWrote(string name)
    {
        ExportCase export = All[name];
        (OnnxModel model, ReferenceDecoder reference) = export.Export();
        IReadOnlyList<AttentionSite> sites = Sites(model);
        DecoderFacts facts = export.Facts;
        Assert.HasCount(facts.Layers, sites);
        foreach (AttentionSite site in sites)
        {
            Assert.AreEqual((facts.Heads, facts.KeyValueHeads, facts.HeadSize, (long)facts.Hidden, facts.Type), (site.QueryHeads, site.KeyValueHeads, site.HeadSize, site.HiddenSize, site.ElementType));
            Assert.AreEqual(facts.ScoreScale, site.Scale, 2e-4f * facts.ScoreScale);
        }
        AssertEqual(export, reference, model, sites, adapter: null, "base");
        CollectionAssert.AreEqual(export.Layouts.ToArray(), SlotLayouts.All.Where(layout => SlotLayouts.WhyNot(model, layout) is null).ToArray(),
            string.Join("; ", SlotLayouts.All.Select(layout => SlotLayouts.WhyNot(model, layout))));
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Slots_WithoutAdapter_ChangeNoBit(string name)
    {
        ExportCase export = All[name];
        OnnxModel model = export.Export().Model;
        float[][] expected = Run(export, model, [], Prompt);
        foreach (SlotLayout layout in export.Layouts)
        {
            OnnxModel patched = model.Clone();
            SlotLayouts.Apply(patched, Sites(patched), layout);
            float[][] found = Run(export, patched, [], Prompt);
            for (int step = 0; step < expected.Length; step++)
            {
                // The CPU computes float16 in float32 between casts, and a second reader changes where those stand.
                if (export.Facts.Type == DataType.Float || layout is SlotLayout.OneToken or SlotLayout.Prefix)
                {
                    CollectionAssert.AreEqual(Array.ConvertAll(expected[step], BitConverter.SingleToInt32Bits), Array.ConvertAll(found[step], BitConverter.SingleToInt32Bits), $"{layout}, step {step}");
                }
                else
                {
                    Closeness.AssertClose(expected[step], found[step], export.Tolerance, $"{layout}, step {step}");
                }
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Slots_WithAdapter_GiveTheLogitsOfTheDefinition(string name)
    {
        ExportCase export = All[name];
        foreach ((SlotLayout layout, int tokens) in export.Layouts.SelectMany(layout => new[] { (layout, 1), (layout, 3) }).Where(pair => pair is not (SlotLayout.OneToken, > 1)))
        {
            (OnnxModel model, ReferenceDecoder reference) = export.Export();
            IReadOnlyList<AttentionSite> sites = Sites(model);
            Adapter adapter = Draw(sites, tokens, layout == SlotLayout.Prefix);
            IReadOnlyList<AdapterParameter> slots = AdapterCompiler.Parameters(adapter, sites, layout);
            SlotLayouts.Apply(model, sites, layout);
            AssertEqual(export, reference, model, sites, adapter, $"{layout}, {tokens} tokens", slots);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Gradient_EqualsTheDifferenceOfTheDefinition(string name)
    {
        ExportCase export = All[name];
        (OnnxModel model, ReferenceDecoder reference) = export.Export();
        foreach (int tokens in new[] { 1, 2 })
        {
            Adapter adapter = Draw(Sites(model), tokens, isConcat: false);
            if (export.WhyNoTraining is { } reason)
            {
                Assert.Contains(reason, Assert.ThrowsExactly<ModelRefusedException>(() => TrainingGraph.Build(model, TrainingGraphKind.Gradient, 0, tokens)).Message);
                continue;
            }
            using GraphRunner runner = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, 0, tokens));
            IReadOnlyDictionary<string, float[]> at = Train(runner, adapter);
            Assert.AreEqual(Loss(reference, adapter), at["loss"][0], export.Tolerance, "loss");
            Random random = new(Seed);
            for (int trial = 0; trial < 2; trial++)
            {
                float[] direction = Numbers(random, adapter.Tokens.Length, 1);
                float[] gateDirection = Numbers(random, adapter.Gates.Length, 0.3f);
                double along = Dot(at["aligner.tokens_gradient"], direction) + Dot(at["aligner.gates_gradient"], gateDirection);
                const float step = 1e-3f;
                double difference = (Loss(reference, Moved(adapter, direction, gateDirection, step)) - Loss(reference, Moved(adapter, direction, gateDirection, -step))) / (2 * step);
                Assert.AreEqual(difference, along, export.Tolerance + (5e-3 * Math.Abs(difference)), $"{tokens} tokens, trial {trial}, seed {Seed}");
            }
        }
    }

    private static IReadOnlyList<AttentionSite> Sites(OnnxModel model)
    {
        RecognisedModel recognised = RecognisedModel.Of(model);
        AttentionCore? failed = recognised.Cores.FirstOrDefault(core => !core.Match.Success);
        Assert.IsNull(failed, $"layer {failed?.Layer}: {failed?.Match.Reason}: {failed?.Match.Culprit}");
        return recognised.RequireSites();
    }

    private static void AssertEqual(ExportCase export, ReferenceDecoder reference, OnnxModel model, IReadOnlyList<AttentionSite> sites, Adapter? adapter, string what, params IReadOnlyList<AdapterParameter> slots)
    {
        long[] before = model.Metadata(PrefixInjection.FirstIdKey) is { } first && adapter is not null
            ? [.. Enumerable.Range(0, adapter.Config.NumTokens).Select(row => long.Parse(first, CultureInfo.InvariantCulture) + row)]
            : [];
        double[][] expected = reference.Logits([.. Prompt, .. Continuation], adapter is null ? null : Literal(adapter));
        float[][] found = Run(export, model, slots, [.. before, .. Prompt]);
        float[] prompt = export.IsPruned ? found[0] : found[0][(before.Length * DecoderFacts.Vocabulary)..];
        AssertClose(export.IsPruned ? expected[Prompt.Length - 1] : [.. expected.Take(Prompt.Length).SelectMany(row => row)], prompt, export, $"{what}, prompt");
        for (int step = 1; step < found.Length; step++)
        {
            AssertClose(expected[Prompt.Length + step - 1], found[step], export, $"{what}, step {step}");
        }
    }

    private static void AssertClose(double[] expected, float[] found, ExportCase export, string what) =>
        Closeness.AssertClose([.. expected.Select(number => (float)number)], found, export.Tolerance, what);

    /// <summary>The logits of the prompt and, where the model has a cache, of each token behind it.</summary>
    private static float[][] Run(ExportCase export, OnnxModel model, IReadOnlyList<AdapterParameter> slots, long[] prompt)
    {
        using DecoderRunner decoder = new(model, export.Facts.HeadSize, 0, [.. slots.Select(slot => (slot.Name, Singles(slot), slot.Shape.ToArray()))]);
        DecoderRunner.Step step = decoder.Run(prompt, 1);
        List<float[]> logits = [step.Logits];
        foreach (long id in step.Cache.Count > 0 ? Continuation : [])
        {
            step = decoder.Run([id], 1, behind: step);
            logits.Add(step.Logits);
        }
        return [.. logits];
    }

    private static IReadOnlyDictionary<string, float[]> Train(GraphRunner runner, Adapter adapter)
    {
        AdapterConfig config = adapter.Config;
        long[] positions = [.. Enumerable.Range(0, Prompt.Length - 1)];
        return runner.Run(
            ("input_ids", Prompt, [1, Prompt.Length]), ("attention_mask", Prompt.Select(_ => 1L).ToArray(), [1, Prompt.Length]),
            ("target_positions", positions, [positions.Length]), ("target_ids", Prompt[1..], [positions.Length]),
            ("target_weights", positions.Select(_ => 1f / positions.Length).ToArray(), [positions.Length]),
            ("aligner.tokens", adapter.Tokens.ToArray(), [config.NumTokens, config.HiddenSize]), ("aligner.gates", adapter.Gates.ToArray(), [config.AdaptedLayers, config.NumHeads]));
    }

    private static double Loss(ReferenceDecoder reference, Adapter adapter)
    {
        double[][] logits = reference.Logits(Prompt, Literal(adapter));
        return Enumerable.Range(0, Prompt.Length - 1).Average(row => Math.Log(logits[row].Sum(logit => Math.Exp(logit - logits[row].Max()))) + logits[row].Max() - logits[row][Prompt[row + 1]]);
    }

    private static ReferenceAdapter Literal(Adapter adapter) => new(
        [.. adapter.Tokens.ToArray().Chunk(adapter.Config.HiddenSize)], adapter.Config.Attention == "concat" ? null : [.. adapter.Gates.ToArray().Chunk(adapter.Config.NumHeads)]);

    private static Adapter Draw(IReadOnlyList<AttentionSite> sites, int tokens, bool isConcat)
    {
        Random random = new(Seed);
        AdapterConfig config = Adapter.Describe(sites, "random", 0, tokens) with { Attention = isConcat ? "concat" : "gated" };
        return new Adapter(config, Numbers(random, tokens * config.HiddenSize, 1.2f), isConcat ? new float[config.AdaptedLayers * config.NumHeads] : Numbers(random, config.AdaptedLayers * config.NumHeads, 0.5f));
    }

    private static Adapter Moved(Adapter adapter, float[] direction, float[] gateDirection, float step) => adapter with
    {
        Tokens = Array.ConvertAll(direction, number => number * step).Zip(adapter.Tokens.ToArray(), (a, b) => a + b).ToArray(),
        Gates = Array.ConvertAll(gateDirection, number => number * step).Zip(adapter.Gates.ToArray(), (a, b) => a + b).ToArray(),
    };

    private static float[] Numbers(Random random, int count, float size) => [.. Enumerable.Range(0, count).Select(_ => size * ((2 * random.NextSingle()) - 1))];

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();

    private static float[] Singles(AdapterParameter slot) => slot.Type == DataType.Float16
        ? Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(slot.Data.Span).ToArray(), number => (float)number)
        : MemoryMarshal.Cast<byte, float>(slot.Data.Span).ToArray();
}
