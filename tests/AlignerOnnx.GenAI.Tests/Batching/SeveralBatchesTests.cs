using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Batches that grow side by side against GenAI's own generator, one answer at a time.</summary>
[TestClass]
public sealed class SeveralBatchesTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly string?[] s_adapters = [null, "a", "b"];
    private static ChatModel s_alone = null!;

    [ClassInitialize]
    public static void Load(TestContext _)
    {
        PatchedPocket.Write(s_folder, "model-fp32");
        s_alone = new ChatModel(s_folder, new ChatModelOptions { Batching = false });
        LoadAdapters(s_alone);
    }

    [ClassCleanup]
    public static void Free()
    {
        s_alone.Dispose();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(7)]
    public async Task Generate_RowsJoinAndLeaveAtRandom_EachEqualsItsSoloAnswer(int batches)
    {
        using ChatModel model = new(s_folder, new ChatModelOptions { Batches = batches, MaxBatchRows = 7, PromptChunk = 9 });
        LoadAdapters(model);
        Random random = new(batches);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 40).Select(_ => Ask(random) with { Adapter = s_adapters[random.Next(s_adapters.Length)], MaxNewTokens = random.Next(1, 60) })];
        int[] delays = [.. requests.Select(_ => random.Next(0, 60))];
        int[][] together = await Task.WhenAll(requests.Select(async (request, i) =>
        {
            await Task.Delay(delays[i]);
            return await BatchTests.IdsAsync(model, request);
        }));
        for (int i = 0; i < requests.Length; i++)
        {
            CollectionAssert.AreEqual(Alone(requests[i]), together[i], $"request {i} of {batches} batches, adapter {requests[i].Adapter ?? "none"}");
        }
    }

    [TestMethod]
    [DataRow(3, 1)]
    [DataRow(1, 3)]
    public async Task Generate_ThreeAnswersAtOnce_AreSharedAmongTheBatches(int batches, int expected)
    {
        using ChatModel model = new(s_folder, new ChatModelOptions { Batches = batches, MaxBatchRows = 6, PromptCacheBytes = 0 });
        ConcurrentBag<int> rows = [];
        using BatchMeasurements<int> measurements = new("aligner.batch.rows", rows.Add);
        GenerationRequest endless = Ask(new Random(1)) with { MaxNewTokens = 300, LogitBias = new Dictionary<int, float> { [1] = -100 } };
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => BatchTests.IdsAsync(model, endless)));
        Assert.AreEqual(expected, rows.Max());
    }

    /// <summary>Each of two batches has room for one answer of the longest kind, which is room for two of these: others wait, or give way and are computed again.</summary>
    [TestMethod]
    public async Task Generate_MemoryForFewRowsOfEachBatch_AllAnswersComeAndEqualTheirSoloAnswers()
    {
        long bytesPerPosition = 6 * 2 * 2 * 32 * sizeof(float);
        using ChatModel small = new(s_folder, new ChatModelOptions { Batches = 2, MaxCacheBytes = 2 * s_alone.ContextLength * bytesPerPosition, PromptCacheBytes = 0 });
        Assert.AreEqual(2, small.Batches);
        GenerationRequest request = Ask(new Random(3)) with { MaxNewTokens = (s_alone.ContextLength / 2) - 40, LogitBias = new Dictionary<int, float> { [1] = -100 } };
        int[] expected = Alone(request);
        foreach (int[] answer in await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => BatchTests.IdsAsync(small, request))))
        {
            CollectionAssert.AreEqual(expected, answer);
        }
    }

    [TestMethod]
    public void Batches_WhereNoneAreAskedFor_AreOneForEachProcessorUpToFour()
    {
        using ChatModel model = new(s_folder);
        Assert.AreEqual(Math.Min(Environment.ProcessorCount, 4), model.Batches);
        Assert.AreEqual(0, s_alone.Batches);
    }

    [TestMethod]
    public void Batches_OfAConfigurationWithANumberOfThreads_IsOne()
    {
        string folder = Path.Combine(s_folder, "threads");
        PatchedPocket.Write(folder, "model-fp32");
        string config = Path.Combine(folder, "genai_config.json");
        JsonNode root = JsonNode.Parse(File.ReadAllText(config))!;
        root["model"]!["decoder"]!["session_options"]!["intra_op_num_threads"] = 2;
        File.WriteAllText(config, root.ToJsonString());
        using ChatModel model = new(folder);
        Assert.AreEqual(1, model.Batches);
    }

    /// <summary>Room for one answer of 341 positions in all (<see cref="BatchTests"/>): more batches than one would have no room for the longest answer.</summary>
    [TestMethod]
    public async Task Generate_MemoryForOneAnswer_ItHasAllOfIt()
    {
        using ChatModel small = new(s_folder, new ChatModelOptions { Batches = 4, MaxCacheBytes = 1 << 20, PromptCacheBytes = 0 });
        Assert.AreEqual(1, small.Batches);
        GenerationRequest request = Ask(new Random(2)) with { MaxNewTokens = 280, LogitBias = new Dictionary<int, float> { [1] = -100 } };
        int[] expected = Alone(request);
        Assert.HasCount(280, expected);
        foreach (int[] answer in await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => BatchTests.IdsAsync(small, request))))
        {
            CollectionAssert.AreEqual(expected, answer);
        }
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(65)]
    public void Batches_OutsideTheirRange_AreRefused(int batches) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new ChatModel(s_folder, new ChatModelOptions { Batches = batches }));

    private static void LoadAdapters(ChatModel model)
    {
        foreach ((string name, int seed) in new[] { ("a", 11), ("b", 12) })
        {
            model.LoadAdapter(name, PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(seed)));
        }
    }

    private static int[] Alone(GenerationRequest request) => [.. s_alone.Generate(request).Select(token => token.Id)];

    private static GenerationRequest Ask(Random random) => new()
    {
        PromptIds = s_alone.Encode(s_alone.ApplyChatTemplate([new ChatTurn("user", $"Tell me where animal number {random.Next(1000)} lives.")])),
        Temperature = 0,
    };
}
