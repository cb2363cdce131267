using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Concat adapters, whose tokens stand as ids before every prompt, whichever engine computes the answer.</summary>
[TestClass]
public sealed class PrefixAdapterTests
{
    [TestMethod]
    public void Generate_ConcatAdapter_AnswersAlikeInBothEnginesAndUnlikeTheBase()
    {
        string folder = Material.NewTemporaryFolder();
        string patched = Path.Combine(folder, "patched");
        string compiled = Path.Combine(folder, "three.onnx_adapter");
        // Full precision: the engines may differ in the last bits only, and those change no token.
        ModelPatcher.Patch(Material.Pocket("model-fp32"), patched, layout: SlotLayout.Prefix);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(Material.Pocket("model-fp32"))).RequireSites();
        AdapterConfig config = Adapter.Describe(sites, "pocket", startLayer: 0, tokens: 3) with { Attention = AdapterConfig.ConcatAttention };
        Random random = new(3);
        AdapterCompiler.Compile(new Adapter(config, Enumerable.Range(0, 3 * 128).Select(_ => 3 * (random.NextSingle() - 0.5f)).ToArray(), default), patched, compiled);
        using (ChatModel generators = new(patched, new ChatModelOptions { Batching = false }))
        using (ChatModel batch = new(patched))
        {
            Assert.IsNull(batch.BatchingObstacle);
            int[] expected = Answer(generators, compiled);
            CollectionAssert.AreEqual(expected, Answer(batch, compiled));
            CollectionAssert.AreNotEqual(expected, Answer(batch, null));
        }
        Directory.Delete(folder, recursive: true);
    }

    private static int[] Answer(ChatModel model, string? adapter)
    {
        if (adapter is not null)
        {
            model.LoadAdapter("three", adapter);
        }
        int[] prompt = model.Encode(model.ApplyChatTemplate([new ChatTurn("user", "What is the capital of France?")]));
        return [.. model.Generate(new GenerationRequest { PromptIds = prompt, Temperature = 0, MaxNewTokens = 24, Adapter = adapter is null ? null : "three" }).Select(token => token.Id)];
    }
}
