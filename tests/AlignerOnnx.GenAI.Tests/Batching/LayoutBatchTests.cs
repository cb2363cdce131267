using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Adapters of many tokens and concat adapters in one batch, different ones and base rows side by side.</summary>
[TestClass]
public sealed class LayoutBatchTests
{
    // 5 and 7 have no small common multiple with 13: those rows are computed apart.
    private static readonly int[] s_tokens = [1, 2, 3, 5, 7, 13];

    // Enough to change what the model says.
    private const float Strength = 4;

    [TestMethod]
    [DataRow(SlotLayout.ManyToken, "gated")]
    [DataRow(SlotLayout.Prefix, "concat")]
    public async Task Generate_DifferentNumbersOfTokens_EachEqualsItsSoloAnswer(SlotLayout layout, string attention)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            ModelPatcher.Patch(Material.Pocket("model-fp32"), model, layout: layout);
            using ChatModel alone = new(model, new ChatModelOptions { Batching = false });
            using ChatModel batch = new(model, new ChatModelOptions { Batches = 1, PromptChunk = 5 });
            Assert.IsNull(batch.BatchingObstacle);
            foreach (int tokens in s_tokens)
            {
                string file = Path.Combine(folder, $"{tokens}.onnx_adapter");
                AdapterCompiler.Compile(Sample(tokens, attention), model, file);
                alone.LoadAdapter($"{tokens}", file);
                batch.LoadAdapter($"{tokens}", file);
            }
            string?[] adapters = [null, .. s_tokens.Select(tokens => $"{tokens}")];
            GenerationRequest[] requests = [.. Enumerable.Range(0, 14).Select(i => new GenerationRequest
            {
                PromptIds = alone.Encode(alone.ApplyChatTemplate([new ChatTurn("user", i % 2 == 0 ? "Tell me where a pig lives." : "What is the capital of France?")])),
                Adapter = adapters[i % adapters.Length],
                MaxNewTokens = 12 + i,
                Temperature = 0,
            })];
            int[][] together = await Task.WhenAll(requests.Select(request => BatchTests.IdsAsync(batch, request)));
            int[][] solo = [.. requests.Select(request => alone.Generate(request).Select(token => token.Id).ToArray())];
            for (int i = 0; i < requests.Length; i++)
            {
                CollectionAssert.AreEqual(solo[i], together[i], $"request {i}, {requests[i].Adapter ?? "no"} tokens");
            }
            Assert.IsGreaterThan(4, solo.Where((_, i) => i % 2 == 0).Select(ids => string.Join(' ', ids.Take(8))).Distinct().Count(), "the adapters must change the answers");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Load_PortableSlots_AnswersAreNotBatchedAndTheReasonIsSaid()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            ModelPatcher.Patch(Material.Pocket(), Path.Combine(folder, "model"), layout: SlotLayout.Portable);
            using ChatModel model = new(Path.Combine(folder, "model"));
            StringAssert.Contains(model.BatchingObstacle, "portable");
            Assert.IsNotEmpty(model.Generate(new GenerationRequest { PromptIds = [5, 6], MaxNewTokens = 2 }).ToArray());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Adapter Sample(int tokens, string attention)
    {
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(Material.Pocket("model-fp32"))).RequireSites();
        AdapterConfig config = Adapter.Describe(sites, "pocket", startLayer: attention == "concat" ? 0 : 2, tokens, new TrainingRecord { Recipe = "random", DataHash = "none", Steps = 1, FinalLoss = 1 }) with { Attention = attention };
        Random random = new(tokens);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => Strength * ((2 * random.NextSingle()) - 1))];
        return new Adapter(config, Numbers(tokens * config.HiddenSize), attention == "concat" ? [] : Numbers(config.AdaptedLayers * config.NumHeads));
    }
}
