using System.Text.Json;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class TrainSftCommandTests
{
    private static readonly string Train = Path.Combine(Material.Repository, "models", "pocket", "data", "form-json.train.jsonl");
    private static readonly string Held = Path.Combine(Material.Repository, "models", "pocket", "data", "form-json.eval.jsonl");

    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task TrainSft_FewSteps_LowersTheLossThatEvalMeasures(bool patchedModel)
    {
        string model = patchedModel ? Path.Combine(_folder, "patched") : Material.Pocket();
        if (patchedModel)
        {
            (await AlignerProcess.RunAsync("patch", Material.Pocket(), "-o", model)).Expect(ExitCodes.Done);
        }
        string adapter = Path.Combine(_folder, "adapter");
        AlignerProcess.Run train = (await AlignerProcess.RunAsync(
            "train", "sft", model, "--data", Train, "--eval", Held, "-o", adapter, "--steps", "40", "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual(40, train.Document.GetProperty("steps").GetInt32());
        Assert.IsGreaterThan(0, train.Document.GetProperty("peak_memory_bytes").GetInt64());
        Assert.AreEqual(adapter, train.Document.GetProperty("output").GetString());
        Assert.Contains("256 rows", train.Errors);

        AlignerProcess.Run eval = (await AlignerProcess.RunAsync("eval", Material.Pocket(), "--data", Held, "--adapter", adapter, "--json")).Expect(ExitCodes.Done);
        JsonElement[] results = [.. eval.Document.GetProperty("results").EnumerateArray()];
        Assert.HasCount(2, results);
        Assert.AreEqual(JsonValueKind.Null, results[0].GetProperty("adapter").ValueKind);
        double before = results[0].GetProperty("loss").GetDouble();
        double after = results[1].GetProperty("loss").GetDouble();
        Assert.IsLessThan(before - 0.05, after);
        Assert.AreEqual(train.Document.GetProperty("eval_loss").GetDouble(), after, 1e-5);
    }

    /// <summary>What the loss curve's picture takes of memory does not make another line of it.</summary>
    [TestMethod]
    public async Task TrainSft_OneStep_IsSaidOnce()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", Path.Combine(_folder, "adapter"), "--steps", "1", "--warm-up", "1")).Expect(ExitCodes.Done);
        Assert.HasCount(2, run.Errors.Split("step 1/1"));
        Assert.Contains("1 step in", run.Output);
    }

    /// <summary>A picture that cannot be written (a folder stands in its place here; a disk may be full) is said, and costs no adapter.</summary>
    [TestMethod]
    public async Task TrainSft_PictureCannotBeWritten_SavesTheAdapterAndSaysSo()
    {
        string adapter = Path.Combine(_folder, "adapter");
        Directory.CreateDirectory(Path.Combine($"{adapter}.run", "loss.png", "in the way"));
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", adapter, "--steps", "2")).Expect(ExitCodes.Done);
        Assert.IsTrue(File.Exists(Path.Combine(adapter, "adapter_model.safetensors")));
        Assert.IsTrue(File.Exists(Path.Combine($"{adapter}.run", "events.out.tfevents.aligner")));
        Assert.Contains("not written       loss.png: ", run.Output);
    }

    [TestMethod]
    public async Task TrainSft_Recipe_IsThePublishedOneButForWhatIsGiven()
    {
        string adapter = Path.Combine(_folder, "adapter");
        (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", adapter, "--recipe", "alpaca", "--steps", "2", "--batch-size", "8")).Expect(ExitCodes.Done);
        string recipe = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(adapter, "adapter_config.json"))).RootElement.GetProperty("training").GetProperty("recipe").GetString()!;
        Assert.Contains("learning rate 0.0045", recipe);
        Assert.Contains("2 warm-up steps", recipe);
        Assert.Contains("batches of 8", recipe);
        AlignerProcess.Run unknown = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", adapter, "--recipe", "soup")).Expect(ExitCodes.Usage);
        Assert.Contains("alpaca", unknown.Errors);
    }

    [TestMethod]
    public async Task TrainSft_FindLearningRate_GivesACurveAndARateAndNoAdapter()
    {
        string adapter = Path.Combine(_folder, "adapter");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", adapter, "--find-lr", "--json")).Expect(ExitCodes.Done);
        // It takes minutes on larger models.
        Assert.Contains("step 1 of at most 35", run.Errors);
        // What Pocket trains well with lies between 0.05 and 0.2: docs/training.md.
        Assert.IsInRange(0.01, 0.2, run.Document.GetProperty("suggestion").GetDouble());
        Assert.AreEqual(run.Document.GetProperty("points").GetArrayLength(), File.ReadLines(run.Document.GetProperty("curve").GetString()!).Count());
        Assert.IsFalse(Directory.Exists(adapter));
    }

    /// <summary>Exports without a tokenizer train on rows of token ids: float32, int4, int8, float16, q/k norm, packed projections, soft-cap and window.</summary>
    [TestMethod]
    [DataRow("reference-models/ref-qwen2")]
    [DataRow("reference-models/ref-qwen3")]
    [DataRow("reference-models/ref-gemma2")]
    [DataRow("reference-models/ref-phi3")]
    [DataRow("reference-models/ref-mistral-sw8")]
    [DataRow("reference-models/ref-llama3-gqa-rope-int4-cpu")]
    [DataRow("builder-0.18/llama3-int8-cpu")]
    [DataRow("builder-0.18/llama3-fp16-dml")]
    [DataRow("builder-0.18/qwen3-fp16-cuda")]
    [DataRow("other-exporters/optimum-ref-llama3-gqa-rope")]
    public async Task TrainSft_RowsOfTokenIds_NeedNoTokenizer(string export)
    {
        string model = Material.Shared(["exports", .. export.Split('/')]);
        string data = Path.Combine(_folder, "ids.jsonl");
        await File.WriteAllLinesAsync(data, Enumerable.Range(0, 8).Select(row => $$"""{"input_ids": [{{5 + row}}, 40, {{60 + row}}, 90, 7], "labels": [-100, -100, {{60 + row}}, 90, 7]}"""));
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(
            "train", "sft", model, "--data", data, "--eval", data, "-o", Path.Combine(_folder, "adapter"), "--tokens", "2", "--steps", "30", "--batch-size", "8", "--learning-rate", "0.03", "--json")).Expect(ExitCodes.Done);
        AlignerProcess.Run eval = (await AlignerProcess.RunAsync("eval", model, "--data", data, "--json")).Expect(ExitCodes.Done);
        Assert.IsLessThan(eval.Document.GetProperty("results")[0].GetProperty("loss").GetDouble() - 0.01, run.Document.GetProperty("eval_loss").GetDouble());
    }

    [TestMethod]
    public async Task StartLayer_BeyondTheModel_IsRefusedWithItsLayers()
    {
        string output = Path.Combine(_folder, "x");
        foreach (string[] command in (string[][])[["train", "sft", Material.Pocket(), "--data", Train, "-o", output], ["train", "artifacts", Material.Pocket(), "-o", output], ["inspect", Material.Pocket()]])
        {
            AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. command, "--start-layer", "6"])).Expect(ExitCodes.ModelRefused);
            Assert.Contains("a layer from 0 to 5", run.Errors);
            Assert.IsFalse(Directory.Exists(output));
        }
        Assert.AreEqual(5, (await AlignerProcess.RunAsync("inspect", Material.Pocket(), "--start-layer", "5", "--json")).Expect(ExitCodes.Done).Document.GetProperty("start_layer").GetInt32());
    }

    [TestMethod]
    public async Task StartLayer_NotGiven_IsTheLastOfAModelWithFewer()
    {
        string model = Material.Shared("exports", "genai_tiny-random-Llama-fp32");
        Assert.AreEqual(1, (await AlignerProcess.RunAsync("inspect", model, "--json")).Expect(ExitCodes.Done).Document.GetProperty("start_layer").GetInt32());
        Assert.AreEqual(1, (await AlignerProcess.RunAsync("train", "artifacts", model, "-o", Path.Combine(_folder, "x"), "--json")).Expect(ExitCodes.Done).Document.GetProperty("start_layer").GetInt32());
    }

    [TestMethod]
    public async Task TrainSft_Patience_SaysThatItStoppedEarly()
    {
        // A step of this size unlearns more than it learns: no later measurement is better than the first.
        string[] arguments = ["train", "sft", Material.Pocket(), "--data", Train, "--eval", Held, "--steps", "30", "--learning-rate", "3", "--schedule", "constant", "--warm-up", "0", "--eval-every", "1", "--patience", "2"];
        JsonElement stop = (await AlignerProcess.RunAsync([.. arguments, "-o", Path.Combine(_folder, "json"), "--json"])).Expect(ExitCodes.Done).Document.GetProperty("early_stop");
        int step = stop.GetProperty("step").GetInt32();
        Assert.AreEqual(2, stop.GetProperty("measurements").GetInt32());
        Assert.AreEqual(step - 2, stop.GetProperty("best_step").GetInt32());
        AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. arguments, "-o", Path.Combine(_folder, "text")])).Expect(ExitCodes.Done);
        Assert.Contains($"stopped early     after step {step} of 30: the last 2 measurements were no better than that of step {step - 2}", run.Output);
        Assert.AreEqual(JsonValueKind.Null, (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", Path.Combine(_folder, "all"), "--steps", "1", "--json")).Expect(ExitCodes.Done).Document.GetProperty("early_stop").ValueKind);
    }

    [TestMethod]
    public async Task TrainSft_From_ContinuesThatAdapter()
    {
        string first = Path.Combine(_folder, "first");
        (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", first, "--steps", "20", "--tokens", "2")).Expect(ExitCodes.Done);
        AlignerProcess.Run second = (await AlignerProcess.RunAsync(
            "train", "sft", Material.Pocket(), "--data", Train, "--from", first, "-o", Path.Combine(_folder, "second"), "--steps", "1", "--json")).Expect(ExitCodes.Done);
        Assert.AreEqual(2, second.Document.GetProperty("tokens").GetInt32());
    }

    [TestMethod]
    public async Task TrainSft_BrokenLine_IsRefusedWithItsNumberAndLeavesNothing()
    {
        string data = Path.Combine(_folder, "broken.jsonl");
        await File.WriteAllLinesAsync(data, [.. File.ReadLines(Train).Take(2), "{\"messages\": [", .. File.ReadLines(Train).Take(1)]);
        string adapter = Path.Combine(_folder, "adapter");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", data, "-o", adapter)).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("line 3", run.Errors);
        Assert.IsFalse(Directory.Exists(adapter));
    }

    [TestMethod]
    public async Task TrainSft_TakenOutput_FailsBeforeTraining()
    {
        string taken = Path.Combine(_folder, "taken");
        Directory.CreateDirectory(taken);
        await File.WriteAllTextAsync(Path.Combine(taken, "mine.txt"), "mine");
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "sft", Material.Pocket(), "--data", Train, "-o", taken)).Expect(ExitCodes.Failure);
        Assert.Contains("already exists", run.Errors);
        Assert.DoesNotContain("step ", run.Errors);
    }
}
