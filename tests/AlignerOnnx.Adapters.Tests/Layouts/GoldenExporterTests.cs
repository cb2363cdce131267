using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Layouts;

/// <summary>The reference models by other exporters and for other targets, with the same float32 weights: the folded token gives the same logits of the reference.</summary>
[TestClass]
public sealed class GoldenExporterTests
{
    public static IEnumerable<object[]> Cases => Material.HasShared
        ? from pair in new[]
          {
              ("ref-llama3-gqa-rope", "builder-0.18/llama3-hidden-fp32"), ("ref-llama3-gqa-rope", "other-exporters/dyn23-ref-llama3-gqa-rope-sdpa"),
              ("ref-llama3-gqa-rope", "other-exporters/dyn18-ref-llama3-gqa-rope-eager"), ("ref-llama3-gqa-rope", "other-exporters/optimum-ref-llama3-gqa-rope"),
              ("ref-llama2-mha", "other-exporters/old083-ref-llama2-mha-fp32-cpu"),
          }
          from name in GoldenCase.Names(pair.Item1, "gated-n1-")
          select new object[] { pair.Item1, name, pair.Item2 }
        : [["(none)", "(none)", "(none)"]];

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Logits_WithFoldedToken_EqualReference(string reference, string name, string export)
    {
        GoldenCase golden = GoldenCase.Load(reference, name);
        OnnxModel model = ModelLoader.Load(Material.Shared(["exports", .. export.Split('/')]));
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        float[] delta = OneTokenFolding.Fold(sites, golden.StartLayer, golden.Singles("tokens"), golden.Singles("gates"));
        SlotLayouts.Apply(model, sites, SlotLayout.OneToken);
        using DecoderRunner decoder = new(model, sites[0].HeadSize, 0, (OneTokenInjection.Slot, delta, [1, sites.Count, sites[0].HiddenSize]));
        // Row by row: ONNX Runtime's RotaryEmbedding does not take the one row of angles that dynamo exports for a batch.
        int length = (int)golden.Shape("input_ids")[1];
        float[] logits = [.. golden.Int64s("input_ids").Chunk(length).Zip(golden.Int64s("attention_mask").Chunk(length)).SelectMany(row => decoder.Run(row.First, 1, row.Second).Logits)];
        Closeness.AssertLogits(golden, logits);
    }
}
