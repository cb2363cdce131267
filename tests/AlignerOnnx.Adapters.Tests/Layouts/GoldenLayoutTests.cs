using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>Patched models with compiled adapters against the independent reference: every gated layout, every family, prefill and decode, padded batches.</summary>
[TestClass]
public sealed class GoldenLayoutTests
{
    private const string Mistral = "ref-mistral-sw8";
    private const string Gemma = "ref-gemma2";

    private static readonly string[] Models =
    [
        "ref-llama2-mha", "ref-llama3-gqa-rope", "ref-llama2-mha-int4-cpu", "ref-llama3-gqa-rope-int4-cpu", "ref-qwen2", "ref-qwen3", Mistral, "ref-phi3", Gemma,
        "SmolLM2-135M-Instruct-int4",
    ];

    public static IEnumerable<object[]> GatedCases => Material.HasShared
        ? from model in Models
          from name in GoldenCase.Names(model, "gated-").Where(name => FollowsTheProject(model, name))
          from layout in new[] { SlotLayout.OneToken, SlotLayout.ManyToken, SlotLayout.Portable }
          where layout != SlotLayout.OneToken || name.StartsWith("gated-n1-", StringComparison.Ordinal)
          select new object[] { model, name, layout }
        : [["(none)", "(none)", SlotLayout.OneToken]];

    [TestMethod]
    [DynamicData(nameof(GatedCases))]
    public void Logits_OfGoldenCase_EqualReference(string model, string name, SlotLayout layout)
    {
        GoldenCase golden = GoldenCase.Load(model, name);
        using DecoderRunner runner = Patched(model, golden, layout);
        long[] mask = golden.Int64s("attention_mask");
        int batch = (int)golden.Shape("input_ids")[0];
        float[] logits = model == Gemma ? RowByRow(runner, golden) : runner.Run(golden.Int64s("input_ids"), batch, mask).Logits;
        Closeness.AssertLogits(golden, logits);
    }

    [TestMethod]
    [DynamicData(nameof(GatedCases))]
    public void Logits_DecodedTokenByToken_EqualReference(string model, string name, SlotLayout layout)
    {
        if (model is "SmolLM2-135M-Instruct-int4" or Gemma || layout == SlotLayout.Portable)
        {
            return;
        }
        GoldenCase golden = GoldenCase.Load(model, name);
        using DecoderRunner runner = Patched(model, golden, layout);
        int length = (int)golden.Shape("input_ids")[1];
        int real = (int)golden.Int64s("attention_mask").Take(length).Sum();
        long[] row = [.. golden.Int64s("input_ids").Take(real)];
        int prompt = Math.Min(3, real - 1);
        DecoderRunner.Step step = runner.Run(row[..prompt], 1);
        List<float> logits = [.. step.Logits];
        foreach (long id in row[prompt..])
        {
            step = runner.Run([id], 1, behind: step);
            logits.AddRange(step.Logits);
        }
        float[] expected = golden.Singles("logits");
        Closeness.AssertClose(expected.AsSpan(0, logits.Count), CollectionsMarshal.AsSpan(logits), golden.Tolerance("logits"), "decoded logits");
    }

    /// <summary>Gemma 2's sliding layers take no padded batch with a cache that has room: each row runs alone, without its padding.</summary>
    private static float[] RowByRow(DecoderRunner runner, GoldenCase golden)
    {
        int length = (int)golden.Shape("input_ids")[1];
        int vocabulary = (int)golden.Shape("logits")[2];
        long[][] masks = [.. golden.Int64s("attention_mask").Chunk(length)];
        return [.. golden.Int64s("input_ids").Chunk(length).Zip(masks).SelectMany(row =>
        {
            float[] logits = runner.Run([.. row.First.Take((int)row.Second.Sum())], 1).Logits;
            Array.Resize(ref logits, length * vocabulary);
            return logits;
        })];
    }

    private static DecoderRunner Patched(string model, GoldenCase golden, SlotLayout layout)
    {
        OnnxModel patched = ModelLoader.Load(GoldenCase.ModelFolder(model));
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(patched).RequireSites();
        AdapterConfig config = Adapter.Describe(sites, model, golden.StartLayer, golden.Tokens);
        IReadOnlyList<AdapterParameter> parameters = AdapterCompiler.Parameters(new Adapter(config, golden.Singles("tokens"), golden.Singles("gates")), sites, layout);
        SlotLayouts.Apply(patched, sites, layout);
        foreach (Node node in patched.Graph.Nodes.Where(node => node.OpType == "MatMulNBits"))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
        return new DecoderRunner(patched, sites[0].HeadSize, model == Gemma ? 64 : 0,
            [.. parameters.Select(parameter => (parameter.Name, MemoryMarshal.Cast<byte, float>(parameter.Data.Span).ToArray(), parameter.Shape.ToArray()))]);
    }

    /// <summary>Not the reference without soft-cap on the tokens' scores; not Mistral's window, which the exporter dropped.</summary>
    private static bool FollowsTheProject(string model, string name) =>
        !name.EndsWith("-nosoftcap", StringComparison.Ordinal) && (model != Mistral || name.EndsWith("-nowindow", StringComparison.Ordinal));
}
