using System.Net;
using System.Text.Json;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.TestMaterial;
using OpenAI.Chat;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Servers for adapters of many tokens and for concat adapters: many tenants at once, and adapters that do not fit.</summary>
[TestClass]
public sealed class LayoutServingTests
{
    private const string Question = "Tell me where a pig lives.";
    private const string Base = "pocket";

    [TestMethod]
    [DataRow(SlotLayout.ManyToken, "gated", "concat")]
    [DataRow(SlotLayout.Prefix, "concat", "gated")]
    public async Task Complete_TenantsWithDifferentNumbersOfTokensAtOnce_EachAnswersAsAloneAndOthersAreRefused(SlotLayout layout, string attention, string other)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            ModelPatcher.Patch(Material.Pocket("model-fp32"), model, layout: layout);
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = model, BaseModelName = Base });
            using AdapterClient client = new(server.Address);
            string[] names = [Base, "one", "three", "ten"];
            foreach ((string name, int tokens) in names.Skip(1).Zip([1, 3, 10]))
            {
                await client.PushAsync(Sample(folder, name, tokens, attention));
            }
            AdapterRefusedException refusal = await Assert.ThrowsExactlyAsync<AdapterRefusedException>(() => client.PushAsync(Sample(folder, "misfit", 2, other)));
            StringAssert.Contains(refusal.Message, SlotLayouts.NameOf(layout));
            string[] alone = new string[names.Length];
            for (int i = 0; i < names.Length; i++)
            {
                alone[i] = await AskAsync(server, names[i]);
            }
            Assert.IsGreaterThan(2, alone.Distinct().Count(), "the adapters must change the answers");
            string[] together = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => AskAsync(server, names[i % names.Length])));
            for (int i = 0; i < together.Length; i++)
            {
                Assert.AreEqual(alone[i % names.Length], together[i], names[i % names.Length]);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task Blend_OfManyTokens_IsRefusedUnderTheNamesOfTheRequest()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            ModelPatcher.Patch(Material.Pocket("model-fp32"), model, layout: SlotLayout.ManyToken);
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = model, BaseModelName = Base });
            using AdapterClient client = new(server.Address);
            await client.PushAsync(Sample(folder, "three", 3, "gated"), "team/three", ["prod"]);
            using HttpResponseMessage response = await server.PostAsync("{\"adapters\":[{\"id\":\"team/three@prod\",\"scale\":0.5}],\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
            JsonElement error = await RefusalTests.ErrorOf(response, HttpStatusCode.BadRequest);
            Assert.Contains("where: team/three@prod;", error.GetProperty("message").GetString()!);
            Assert.DoesNotContain(".onnx_adapter", error.GetProperty("message").GetString()!);
            Assert.AreEqual("adapters[0].id", error.GetProperty("param").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Requests for the same values share the attempt to blend them, and its failure.</summary>
    [TestMethod]
    public async Task Blend_RefusedToSeveralAtOnce_NamesWhatEachAskedFor()
    {
        const int Names = 24;
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            ModelPatcher.Patch(Material.Pocket("model-fp32"), model, layout: SlotLayout.ManyToken);
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = model, BaseModelName = Base });
            using AdapterClient client = new(server.Address);
            string[] aliases = [.. Enumerable.Range(0, Names).Select(i => $"alias{i}")];
            await client.PushAsync(Sample(folder, "three", 3, "gated"), "three", aliases);
            string[] messages = await Task.WhenAll(aliases.Select(async alias =>
            {
                using HttpResponseMessage response = await server.PostAsync($"{{\"adapters\":[{{\"id\":\"three@{alias}\",\"scale\":0.5}}],\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}");
                return (await RefusalTests.ErrorOf(response, HttpStatusCode.BadRequest)).GetProperty("message").GetString()!;
            }));
            foreach ((string alias, string message) in aliases.Zip(messages))
            {
                Assert.Contains($"where: three@{alias};", message);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task Blend_OfAnAdapterWhoseFilesAreGone_LeavesNothingHalfMade()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            string state = Path.Combine(folder, "state");
            ModelPatcher.Patch(Material.Pocket("model-fp32"), model, layout: SlotLayout.OneToken);
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = model, BaseModelName = Base, StateFolder = state });
            using AdapterClient client = new(server.Address);
            await client.PushAsync(Sample(folder, "lost", 1, "gated"));
            Directory.Delete(Path.Combine(state, "blobs"), recursive: true);
            foreach (string compiled in Directory.GetFiles(Path.Combine(state, "compiled"), "*", SearchOption.AllDirectories))
            {
                File.Delete(compiled);
            }
            using HttpResponseMessage response = await server.PostAsync("{\"adapters\":[{\"id\":\"lost\",\"scale\":0.5}],\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
            await RefusalTests.ErrorOf(response, HttpStatusCode.InternalServerError);
            Assert.IsEmpty(Directory.GetDirectories(Path.Combine(state, "staging")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Patched_ModelWithOtherSlots_IsRefused()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string model = Path.Combine(folder, "model");
            ModelPatcher.Patch(Material.Pocket(), model, layout: SlotLayout.ManyToken);
            Assert.AreEqual(model, ModelCache.Patched(model, SlotLayout.ManyToken));
            ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => ModelCache.Patched(model, SlotLayout.Prefix));
            StringAssert.Contains(refusal.Message, "many-token");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Sample(string folder, string name, int tokens, string attention)
    {
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(path);
        SampleAdapter.Write(path, Material.Pocket("model-fp32"), seed: tokens, tokens, attention, strength: 5);
        return path;
    }

    private static async Task<string> AskAsync(RunningServer server, string model)
    {
        ChatCompletion answer = await server.Chat(model).CompleteChatAsync([new UserChatMessage(Question)], new ChatCompletionOptions { MaxOutputTokenCount = 24, Temperature = 0 });
        return string.Concat(answer.Content.Select(part => part.Text));
    }
}
