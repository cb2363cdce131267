using System.Text.Json;
using System.Text.Json.Nodes;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class TrainDpoCommandTests
{
    private static readonly string Train = Material.PocketData("refuse.preference.train.jsonl");
    private static readonly string Held = Material.PocketData("refuse.preference.eval.jsonl");

    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public async Task TrainDpo_FewSteps_MakesPreferredAnswersGainAndCachesTheReference()
    {
        AlignerProcess.Run first = (await TrainAsync("first", "--eval", Held)).Expect(ExitCodes.Done);
        Assert.AreEqual(8, first.Document.GetProperty("steps").GetInt32());
        Assert.AreEqual("base", first.Document.GetProperty("reference").GetString());
        Assert.IsGreaterThan(0.9, first.Document.GetProperty("reward_accuracy").GetDouble());
        Assert.IsGreaterThan(0, first.Document.GetProperty("margin").GetDouble());
        Assert.IsGreaterThan(0, first.Document.GetProperty("preference_accuracy").GetDouble());
        Assert.IsGreaterThan(0, first.Document.GetProperty("eval_loss").GetDouble());
        Assert.IsGreaterThan(0, first.Document.GetProperty("peak_memory_bytes").GetInt64());
        Assert.Contains("160 rows", first.Errors);
        Assert.Contains("computing the log-probabilities of 320 answers once", first.Errors);

        AlignerProcess.Run second = (await TrainAsync("second", "--eval", Held)).Expect(ExitCodes.Done);
        Assert.Contains("log-probabilities of 320 answers come from", second.Errors);
        CollectionAssert.AreEqual(await AdapterAsync("first"), await AdapterAsync("second"), "cached and computed references are the same");
    }

    [TestMethod]
    public async Task TrainDpo_RateFarTooLarge_SaysOnceThatTheLossGrows()
    {
        AlignerProcess.Run run = (await TrainAsync("large", 60, "--eval", Held, "--learning-rate", "2", "--schedule", "constant", "--eval-every", "5")).Expect(ExitCodes.Done);
        Assert.IsLessThan(60, run.Document.GetProperty("steps").GetInt32(), "it stops where no evaluation is better");
        JsonElement growth = run.Document.GetProperty("loss_growth");
        Assert.IsGreaterThan(2 * growth.GetProperty("start").GetDouble(), growth.GetProperty("loss").GetDouble());
        Assert.Contains($"at step {growth.GetProperty("step").GetInt32()}", growth.GetProperty("message").GetString()!);
        Assert.HasCount(2, run.Errors.Split("warning: the loss has grown"), "said once");
        Assert.Contains("smaller --learning-rate", run.Errors);
        Assert.AreEqual(JsonValueKind.Null, (await TrainAsync("small")).Expect(ExitCodes.Done).Document.GetProperty("loss_growth").ValueKind);
    }

    [TestMethod]
    public async Task TrainDpo_ReferenceOrRecipe_ComparesWithAnAdapter()
    {
        (await TrainAsync("start")).Expect(ExitCodes.Done);
        string start = Path.Combine(_folder, "start");
        AlignerProcess.Run run = (await TrainAsync("more", "--from", start, "--reference", start)).Expect(ExitCodes.Done);
        Assert.AreEqual(start, run.Document.GetProperty("reference").GetString());
        Assert.Contains($"reference: {start}", run.Errors);

        AlignerProcess.Run recipe = (await TrainAsync("recipe", "--recipe", "safety", "--from", start)).Expect(ExitCodes.Done);
        Assert.AreEqual(JsonValueKind.Null, recipe.Document.GetProperty("supervised_adapter").ValueKind, "an adapter to start from stands for the first stage");
        Assert.AreEqual(start, recipe.Document.GetProperty("reference").GetString(), "the authors' reference is where they start");
        Assert.DoesNotContain("conversations of its own", recipe.Errors);
        Assert.Contains("beta 0.1", await File.ReadAllTextAsync(Path.Combine(_folder, "recipe", "adapter_config.json")));
    }

    [TestMethod]
    public async Task TrainDpo_SafetyRecipe_LearnsThePreferredAnswersFirstAndStartsFromThere()
    {
        string answers = Path.Combine(_folder, "chosen.jsonl");
        await File.WriteAllLinesAsync(answers, File.ReadLines(Train).Select(line => JsonNode.Parse(line)!).Select(row =>
            new JsonObject { ["messages"] = new JsonArray([.. row["prompt"]!.AsArray().Concat(row["chosen"]!.AsArray()).Select(turn => turn!.DeepClone())]) }.ToJsonString()));
        (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", answers, "-o", Path.Combine(_folder, "alone"), "--steps", "3", "--warm-up", "3", "--learning-rate", "1.125e-3",
            "--batch-size", "64", "--micro-batch", "8", "--token-scale", "1", "--max-length", "1024", "--loss-on", "all")).Expect(ExitCodes.Done);

        AlignerProcess.Run run = (await TrainAsync("staged", "--recipe", "safety", "--sft-steps", "3")).Expect(ExitCodes.Done);
        string first = run.Document.GetProperty("supervised_adapter").GetString()!;
        CollectionAssert.AreEqual(await AdapterAsync("alone"), await AdapterAsync(first), "the first stage is train sft on the preferred answers");
        Assert.AreEqual(first, run.Document.GetProperty("reference").GetString());
        Assert.AreEqual(8, run.Document.GetProperty("steps").GetInt32());
        (await TrainAsync("second", "--recipe", "safety", "--from", Path.Combine(_folder, "alone"))).Expect(ExitCodes.Done);
        CollectionAssert.AreEqual(await AdapterAsync("second"), await AdapterAsync("staged"), "the second stage starts from it and compares with it");

        Directory.Delete(Path.Combine(_folder, "staged"), recursive: true);
        Assert.Contains($"its adapter comes from {first}", (await TrainAsync("staged", "--recipe", "safety", "--sft-steps", "3")).Expect(ExitCodes.Done).Errors);
        Directory.Delete(Path.Combine(_folder, "staged"), recursive: true);
        Assert.AreNotEqual(first, (await TrainAsync("staged", "--recipe", "safety", "--sft-steps", "2")).Expect(ExitCodes.Done).Document.GetProperty("supervised_adapter").GetString());
    }

    [TestMethod]
    public async Task Eval_PairsOfAnswers_AreAnsweredAsTheirPreferredOnes()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("eval", Material.Pocket(), "--data", Held, "--answers", "--pattern", "^(I am sorry|No, I can not|I would rather not)", "--json")).Expect(ExitCodes.Done);
        JsonElement answers = run.Document.GetProperty("results")[0].GetProperty("answers");
        Assert.AreEqual(40, answers.GetProperty("rows").GetInt32());
        Assert.AreEqual(1, answers.GetProperty("pattern").GetDouble(), "models/pocket/MODEL_CARD.md: greedily the model refuses all unsafe requests");
    }

    [TestMethod]
    public async Task TrainDpo_SupervisedRows_AreRefusedAndSayWhatTrainsThem()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "dpo", Material.Pocket(), "--data", Material.PocketData("form-json.train.jsonl"), "-o", Path.Combine(_folder, "x"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("train sft", run.Errors);
        Assert.IsFalse(Directory.Exists(Path.Combine(_folder, "x")));
    }

    [TestMethod]
    [DataRow("--from")]
    [DataRow("--reference")]
    public async Task TrainDpo_FolderThatIsNoAdapter_IsRefusedBeforeConversationsAreMade(string option)
    {
        AlignerProcess.Run run = (await TrainAsync("x", option, _folder)).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("not an adapter", run.Errors);
        Assert.DoesNotContain("conversations of its own", run.Errors);
    }

    private Task<AlignerProcess.Run> TrainAsync(string output, params string[] more) => TrainAsync(output, 8, more);

    private Task<AlignerProcess.Run> TrainAsync(string output, int steps, params string[] more) =>
        AlignerProcess.RunAsync(["train", "dpo", Material.Pocket(), "--data", Train, "-o", Path.Combine(_folder, output), "--steps", $"{steps}", "--json", .. more, .. Few(more)], null, ("ALIGNER_CACHE", Path.Combine(_folder, "cache")));

    /// <summary>Conversations are made anew in each test's cache; a recipe has none.</summary>
    private static string[] Few(string[] more) => more.Contains("--recipe") || more.Contains("--own-conversations") ? [] : ["--own-conversations", "16"];

    private Task<byte[]> AdapterAsync(string name) => File.ReadAllBytesAsync(Path.Combine(_folder, name, "adapter_model.safetensors"));
}
