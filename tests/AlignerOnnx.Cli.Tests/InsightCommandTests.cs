using System.Text.Json;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

/// <summary>What a short run leaves, what eval measures on it, and what show says of it.</summary>
[TestClass]
public sealed class InsightCommandTests
{
    private static readonly string Model = Material.Pocket();
    private static readonly string Held = Material.PocketData("form-json.eval.jsonl");

    [TestMethod]
    public async Task Run_EvalAndShow_AgreeOnWhatAnAdapterDoes()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string adapter = Path.Combine(folder, "json");
            AlignerProcess.Run trained = (await AlignerProcess.RunAsync(["train", "sft", Model, "--data", Material.PocketData("form-json.train.jsonl"), "--steps", "60", "-o", adapter, "--json"], folder)).Expect(ExitCodes.Done);
            JsonElement records = trained.Document.GetProperty("records");
            Assert.HasCount(60, File.ReadAllLines(records.GetProperty("metrics").GetString()!));
            Assert.IsTrue(File.Exists(records.GetProperty("loss_picture").GetString()));
            Assert.Contains("<polyline", File.ReadAllText(records.GetProperty("loss_curve").GetString()!));
            Assert.IsTrue(File.Exists(records.GetProperty("tensor_board").GetString()));
            Assert.Contains("form-json.train.jsonl", File.ReadAllText(Path.Combine(adapter, "README.md")));

            AlignerProcess.Run measured = (await AlignerProcess.RunAsync(
                ["eval", Model, "--data", Held, "--answers", "--pattern", "^\\{", "--knowledge", Material.PocketData("facts.json"), "--form", Held, "--limit", "12", "--adapter", adapter, "--json"], folder)).Expect(ExitCodes.Done);
            JsonElement[] results = [.. measured.Document.GetProperty("results").EnumerateArray()];
            Assert.HasCount(2, results);
            Assert.IsLessThan(results[0].GetProperty("loss").GetDouble(), results[1].GetProperty("loss").GetDouble());
            Assert.IsGreaterThan(results[0].GetProperty("form").GetProperty("form").GetDouble(), results[1].GetProperty("form").GetProperty("form").GetDouble());
            Assert.AreEqual(results[1].GetProperty("answers").GetProperty("json").GetDouble(), results[1].GetProperty("answers").GetProperty("pattern").GetDouble(), "every JSON object starts with a brace");
            Assert.AreEqual(12, results[0].GetProperty("knowledge").GetProperty("questions").GetInt32());
            Assert.IsGreaterThan(0.5, results[0].GetProperty("knowledge").GetProperty("rate").GetDouble());

            string svg = Path.Combine(folder, "gates.svg");
            AlignerProcess.Run shown = (await AlignerProcess.RunAsync(["adapter", "show", adapter, adapter, "--model", Model, "--svg", svg, "--json"], folder)).Expect(ExitCodes.Done);
            JsonElement[] layers = [.. shown.Document.GetProperty("strengths").EnumerateArray()];
            Assert.HasCount(6, layers);
            Assert.AreEqual(0, layers[1].GetProperty("folded_norm").GetDouble(), "below the start layer nothing is added");
            Assert.IsTrue(layers.All(layer => layer.GetProperty("output_norm").GetDouble() > 0));
            Assert.IsTrue(layers[2..].All(layer => layer.GetProperty("folded_norm").GetDouble() > 0));
            Assert.AreEqual(1, shown.Document.GetProperty("similarities")[0].GetProperty("folded").GetDouble(), 1e-6);
            Assert.HasCount(1 + (4 * 4), File.ReadAllText(svg).Split("<title>"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Each answer is drawn with a number of its own, else one unlikely number would spoil them all; the same seed draws the same.</summary>
    [TestMethod]
    public async Task Eval_OfOnePromptSeveralTimes_DrawsSeveralAnswers()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string file = Path.Combine(folder, "same.jsonl");
            await File.WriteAllLinesAsync(file, Enumerable.Repeat(File.ReadLines(Held).First(), 3));
            string[] first = await DrawAsync();
            Assert.AreNotEqual(1, first.Distinct().Count(), first[0]);
            CollectionAssert.AreEqual(first, await DrawAsync());

            async Task<string[]> DrawAsync()
            {
                AlignerProcess.Run measured = (await AlignerProcess.RunAsync(["eval", Model, "--form", file, "--temperature", "1.5", "--json"], folder)).Expect(ExitCodes.Done);
                return [.. measured.Document.GetProperty("results")[0].GetProperty("form").GetProperty("first").EnumerateArray().Select(answer => answer.GetString()!)];
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public async Task Train_TokensFromTheCache_GiveTheSameAdapterAndReport()
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            string cache = Path.Combine(folder, "cache");
            string first = await TrainAsync("first");
            string[] made = Directory.GetFiles(Path.Combine(cache, "data"));
            Assert.HasCount(1, made);
            DateTime written = File.GetLastWriteTimeUtc(made[0]);
            Assert.AreEqual(first, await TrainAsync("second"));
            Assert.AreEqual(written, File.GetLastWriteTimeUtc(made[0]), "it was used, not made again");
            await File.WriteAllTextAsync(made[0], "{\"Examples\": [");
            Assert.AreEqual(first, await TrainAsync("third"));
            Assert.IsGreaterThan(1000, new FileInfo(made[0]).Length, "a damaged file is replaced");

            async Task<string> TrainAsync(string name)
            {
                AlignerProcess.Run run = (await AlignerProcess.RunAsync(
                    ["train", "sft", Model, "--data", Material.PocketData("form-json.train.jsonl"), "--steps", "2", "--batch-size", "4", "-o", name, "--json"], folder, ("ALIGNER_CACHE", cache))).Expect(ExitCodes.Done);
                return run.Document.GetProperty("data").GetRawText() + Convert.ToHexString(await File.ReadAllBytesAsync(Path.Combine(folder, name, "adapter_model.safetensors")));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    [DataRow("eval", "MODEL")]
    [DataRow("eval", "MODEL", "--form", "f", "--pattern", "(")]
    public async Task Eval_NothingToMeasureOrBrokenPattern_IsAUsageError(params string[] arguments) =>
        (await AlignerProcess.RunAsync(arguments)).Expect(ExitCodes.Usage);
}
