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
