using System.Text.Json;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Answers of one batch against GenAI's own generator, one answer at a time: an independent engine for the same tokens.</summary>
[TestClass]
public sealed class BatchTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static readonly string?[] s_adapters = [null, "a", "b", "c", "d"];
    private static readonly string[] s_questions = ReadQuestions();
    private static ChatModel s_alone = null!;
    private static ChatModel s_batch = null!;

    public TestContext TestContext { get; set; } = null!;

    [ClassInitialize]
    public static void Load(TestContext _)
    {
        // Full precision: the computation of a row depends on the others in the last bits only, and those change no token.
        PatchedPocket.Write(s_folder, "model-fp32");
        s_alone = new ChatModel(s_folder, new ChatModelOptions { Batching = false });
        s_batch = new ChatModel(s_folder, new ChatModelOptions { Batches = 1, MaxBatchRows = 6, PromptChunk = 7 });
        foreach ((string name, int seed) in new[] { ("a", 11), ("b", 12), ("c", 13), ("d", 14) })
        {
            string file = PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(seed));
            s_alone.LoadAdapter(name, file);
            s_batch.LoadAdapter(name, file);
        }
    }

    [ClassCleanup]
    public static void Free()
    {
        s_alone.Dispose();
        s_batch.Dispose();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public void Model_OfTheBuilder_IsBatched()
    {
        Assert.IsNull(s_batch.BatchingObstacle);
        Assert.IsNotNull(s_alone.BatchingObstacle);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public async Task Generate_RowsJoinAndLeaveAtRandom_EachEqualsItsSoloAnswer(int seed)
    {
        Random random = new(seed);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 40).Select(_ => Ask(s_questions[random.Next(s_questions.Length)]) with
        {
            Adapter = s_adapters[random.Next(s_adapters.Length)],
            MaxNewTokens = random.Next(1, 60),
        })];
        int[] delays = [.. requests.Select(_ => random.Next(0, 60))];
        int[][] together = await Task.WhenAll(requests.Select(async (request, i) =>
        {
            await Task.Delay(delays[i]);
            return await IdsAsync(s_batch, request);
        }));
        for (int i = 0; i < requests.Length; i++)
        {
            CollectionAssert.AreEqual(Ids(s_alone, requests[i]), together[i], $"request {i} of seed {seed}, adapter {requests[i].Adapter ?? "none"}");
        }
    }

    [TestMethod]
    public async Task Generate_EverySetting_ChoosesAsGenAIDoesWhateverElseIsInTheBatch()
    {
        GenerationRequest plain = Ask(s_questions[0]) with { MaxNewTokens = 30 };
        GenerationRequest drawn = plain with { Temperature = 1.3f, Seed = 5 };
        int first = Ids(s_alone, plain)[0];
        GenerationRequest[] requests =
        [
            plain, drawn, drawn with { Seed = 6 }, drawn with { TopP = 0.6f }, drawn with { TopK = 3 }, drawn with { TopK = 20, TopP = 0.9f, Adapter = "a" },
            plain with { LogitBias = new Dictionary<int, float> { [first] = -100 } }, drawn with { PresencePenalty = 1, FrequencyPenalty = 1, Adapter = "b" },
            plain with { TopLogprobs = 5 }, plain with { StopStrings = ["a", "sty"] },
            plain with { Guidance = new Guidance(GuidanceKind.Regex, "[a-c]{4}-[0-9]{3}") },
            plain with { Adapter = "c", Guidance = new Guidance(GuidanceKind.JsonSchema, """{"type":"object","properties":{"colour":{"enum":["red","blue"]}},"required":["colour"],"additionalProperties":false}""") },
        ];
        GeneratedToken[][] together = await Task.WhenAll(requests.Concat(requests).Select(request => TokensAsync(s_batch, request)));
        for (int i = 0; i < together.Length; i++)
        {
            GeneratedToken[] alone = [.. s_alone.Generate(requests[i % requests.Length])];
            CollectionAssert.AreEqual(alone.Select(token => (token.Id, token.Text, token.Finish)).ToArray(), together[i].Select(token => (token.Id, token.Text, token.Finish)).ToArray(), $"request {i}");
            for (int token = 0; token < alone.Length && alone[token].Logprobs is { } expected; token++)
            {
                Assert.AreEqual(expected.Chosen, together[i][token].Logprobs!.Chosen, 1e-4);
            }
        }
    }

    [TestMethod]
    public async Task Generate_MemoryForFewRows_AllAnswersComeAndEqualTheirSoloAnswers()
    {
        // 6 layers x 2 x 2 heads x 32 x 4 bytes = 3 KiB a position: room for one row of 341 positions, or for several short ones.
        using ChatModel small = new(s_folder, new ChatModelOptions { MaxCacheBytes = 1 << 20, MaxBatchRows = 8, PromptCacheBytes = 0 });
        GenerationRequest request = Ask(s_questions[1]) with { MaxNewTokens = 200, LogitBias = new Dictionary<int, float> { [1] = -100 } };
        int[] expected = Ids(s_alone, request);
        Assert.HasCount(200, expected);
        foreach (int[] answer in await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => IdsAsync(small, request))))
        {
            CollectionAssert.AreEqual(expected, answer);
        }
        Assert.ThrowsExactly<PromptTooLongException>(() => Ids(small, request with { PromptIds = [.. Enumerable.Repeat(5, 400)] }));
    }

    [TestMethod]
    public async Task Generate_ReaderLeaves_TheOthersGoOnAndItsRowIsFree()
    {
        using ChatModel one = new(s_folder, new ChatModelOptions { MaxBatchRows = 1 });
        GenerationRequest endless = Ask(s_questions[0]) with { LogitBias = new Dictionary<int, float> { [1] = -100 } };
        await foreach (GeneratedToken _ in one.GenerateAsync(endless))
        {
            break;
        }
        using CancellationTokenSource source = new();
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken _ in one.GenerateAsync(endless, source.Token))
            {
                await source.CancelAsync();
            }
        });
        CollectionAssert.AreEqual(Ids(s_alone, Ask(s_questions[0])), await IdsAsync(one, Ask(s_questions[0])));
    }

    [TestMethod]
    public async Task Generate_PromptsThatBeginAlike_ReuseOnlyWhatTheirOwnAdapterComputed()
    {
        using ReusedTokens reused = new();
        using ChatModel model = new(s_folder, new ChatModelOptions { Batches = 1, MaxBatchRows = 3 });
        string rules = string.Join(' ', s_questions.Take(6));
        string file = PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(11));
        model.LoadAdapter("version", file);
        GenerationRequest[] requests = [.. s_questions.Skip(6).Take(4).Select(question => Ask(question, rules) with { MaxNewTokens = 20 })];
        async Task Check(string? adapter, string? expectedAs)
        {
            foreach (GenerationRequest request in requests)
            {
                CollectionAssert.AreEqual(Ids(s_alone, request with { Adapter = expectedAs }), await IdsAsync(model, request with { Adapter = adapter }));
            }
        }
        await Check("version", "a");
        long own = reused.Count;
        Assert.IsGreaterThan(0, own, "prompts that begin alike reuse what was computed");
        model.UnloadAdapter("version");
        model.LoadAdapter("version", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(12)));
        await IdsAsync(model, requests[0] with { Adapter = "version" });
        Assert.AreEqual(own, reused.Count, "nothing of another version is reused");
        await Check("version", "b");
        await Check(null, null);
    }

    [TestMethod]
    public async Task Generate_LongPromptArrives_GrowingAnswersGoOnWhileItIsRead()
    {
        using ChatModel model = new(s_folder, new ChatModelOptions { Batches = 1, PromptChunk = 4, PromptCacheBytes = 0 });
        GenerationRequest endless = Ask(s_questions[0]) with { MaxNewTokens = 400, LogitBias = new Dictionary<int, float> { [1] = -100 } };
        GenerationRequest longPrompt = endless with { PromptIds = [.. Enumerable.Range(0, 400).Select(i => 20 + (i % 500))], MaxNewTokens = 1 };
        int grown = 0;
        Task<int[]>? read = null;
        int grownWhileReading = 0;
        await foreach (GeneratedToken _ in model.GenerateAsync(endless))
        {
            if (++grown == 5)
            {
                read = IdsAsync(model, longPrompt);
            }
            grownWhileReading += read is { IsCompleted: false } ? 1 : 0;
        }
        await read!;
        // 100 pieces of 4 tokens, a step between two of them.
        Assert.IsGreaterThan(50, grownWhileReading);
    }

    [TestMethod]
    public async Task Generate_Int4_MostTokensAreThoseOfTheSoloAnswer()
    {
        string folder = Path.Combine(s_folder, "int4");
        PatchedPocket.Write(folder);
        using ChatModel alone = new(folder, new ChatModelOptions { Batching = false });
        using ChatModel batch = new(folder, new ChatModelOptions { Batches = 1 });
        GenerationRequest[] requests = [.. s_questions.Take(16).Select(question => Ask(question) with { MaxNewTokens = 24 })];
        int[][] together = await Task.WhenAll(requests.Select(request => IdsAsync(batch, request)));
        int agree = 0;
        int all = 0;
        for (int i = 0; i < requests.Length; i++)
        {
            // After what the batch wrote so far, which token comes next alone?
            for (int length = 0; length < together[i].Length; length++, all++)
            {
                GenerationRequest next = requests[i] with { PromptIds = [.. requests[i].PromptIds, .. together[i].Take(length)], MaxNewTokens = 1 };
                agree += Ids(alone, next)[0] == together[i][length] ? 1 : 0;
            }
        }
        TestContext.WriteLine($"int4: {agree} of {all} tokens of a batch of {requests.Length} are the solo engine's choice");
        // int8 activations round differently by the number of rows that are computed together; near ties may fall the other way.
        Assert.IsGreaterThan(0.95 * all, agree);
    }

    [TestMethod]
    public async Task Generate_OneAnswerFails_TheOthersGoOn()
    {
        GenerationRequest broken = Ask(s_questions[0]) with { PromptIds = [5, 1_000_000] };
        Task<int[]> good = IdsAsync(s_batch, Ask(s_questions[0]));
        await Assert.ThrowsExactlyAsync<GenerationFailedException>(() => IdsAsync(s_batch, broken));
        CollectionAssert.AreEqual(Ids(s_alone, Ask(s_questions[0])), await good);
    }

    internal static async Task<int[]> IdsAsync(ChatModel model, GenerationRequest request) => [.. (await TokensAsync(model, request)).Select(token => token.Id)];

    private static async Task<GeneratedToken[]> TokensAsync(ChatModel model, GenerationRequest request)
    {
        List<GeneratedToken> tokens = [];
        await foreach (GeneratedToken token in model.GenerateAsync(request))
        {
            tokens.Add(token);
        }
        return [.. tokens];
    }

    private static int[] Ids(ChatModel model, GenerationRequest request) => [.. model.Generate(request).Select(token => token.Id)];

    private static GenerationRequest Ask(string question, string? system = null) => new()
    {
        PromptIds = s_alone.Encode(s_alone.ApplyChatTemplate([new ChatTurn("user", system is null ? question : $"{system} {question}")])),
        Temperature = 0,
    };

    private static string[] ReadQuestions() =>
        [.. JsonDocument.Parse(File.ReadAllText(Material.PocketData("facts.json"))).RootElement.EnumerateArray().Take(40).Select(fact => fact.GetProperty("questions")[0].GetString()!)];
}
