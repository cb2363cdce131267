using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving.Tests;

[TestClass]
[DoNotParallelize] // Moves the process's cache.
public sealed class WorkProgressTests
{
    private readonly string _folder = Material.NewTemporaryFolder();
    private readonly string? _cache = Environment.GetEnvironmentVariable("ALIGNER_CACHE");

    [TestInitialize]
    public void UseANewCache() => Environment.SetEnvironmentVariable("ALIGNER_CACHE", Path.Combine(_folder, "cache"));

    [TestCleanup]
    public void DeleteFolder()
    {
        Environment.SetEnvironmentVariable("ALIGNER_CACHE", _cache);
        Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    public void Preferences_TellHowManyConversationsAreMadeAndAnswersMeasured()
    {
        List<WorkProgress> told = [];
        PreferenceRequest request = new()
        {
            Model = Material.Pocket(),
            Data = Material.PocketData("refuse.preference.train.jsonl"),
            Output = Path.Combine(_folder, "adapter"),
            OwnConversations = 6,
            Options = PreferenceRequest.Recipe with { Steps = 1, WarmUpSteps = 1 },
        };
        PreferenceFineTuning.Run(request, working: told.Add);
        CollectionAssert.AreEqual(Enumerable.Range(1, 6).ToArray(), told.Where(each => each.What == "conversations").Select(each => each.Done).ToArray());
        int[] measured = [.. told.Where(each => each is { What: "answers measured", Count: 320 }).Select(each => each.Done)];
        CollectionAssert.AreEqual(measured.Order().Distinct().ToArray(), measured, "160 pairs");
        Assert.AreEqual(320, measured[^1]);
        Assert.IsGreaterThan(10, measured.Length);

        told.Clear();
        PreferenceFineTuning.Run(request with { Output = Path.Combine(_folder, "again") }, working: told.Add);
        Assert.IsEmpty(told, "the cache has both");
    }

    [TestMethod]
    public void Evaluation_TellsHowManyRowsAreMeasuredAndAnswered()
    {
        List<WorkProgress> told = [];
        AdapterEvaluation.Measure(Material.Pocket(), EvaluationData.Read(Material.PocketData("form-json.eval.jsonl")), [], working: told.Add);
        CollectionAssert.AreEqual(Enumerable.Range(1, 20).Select(batch => ("rows measured", 4 * batch, 80)).ToArray(), Told());

        told.Clear();
        using AnswerEvaluation model = new(Material.Pocket(), adapter: null, anyBase: false, new AnswerOptions { Limit = 3, MaximumTokens = 4 });
        model.Answers(ConversationDataSet.Read(Material.PocketData("form-json.eval.jsonl")), told.Add);
        model.Knowledge(KnowledgeFile.Read(Material.PocketData("facts.json")), told.Add);
        CollectionAssert.AreEqual(new[] { ("answers", 1, 3), ("answers", 2, 3), ("answers", 3, 3), ("questions", 1, 3), ("questions", 2, 3), ("questions", 3, 3) }, Told());

        (string, int, int)[] Told() => [.. told.Select(each => (each.What, each.Done, each.Count))];
    }

    [TestMethod]
    public void Left_IsWhatTheRestTakesAtTheSpeedSoFar() => Assert.AreEqual(TimeSpan.FromSeconds(30), new WorkProgress("rows", 2, 8, TimeSpan.FromSeconds(10)).Left);
}
