using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AlignerOnnx.Cli.Tests;

/// <summary>`aligner train --engine ort-training`: the native training library in a process of its own.</summary>
[TestClass]
public sealed class TrainOrtTrainingTests
{
    private readonly string _folder = Material.NewTemporaryFolder();

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private string[] Arguments(string output, params string[] more) =>
    [
        "train", "sft", Material.Pocket(), "--data", Material.PocketData("form-json.train.jsonl"), "--eval", Material.PocketData("form-json.eval.jsonl"), "-o", Path.Combine(_folder, output),
        "--steps", "20", "--schedule", "Cosine", "--warm-up", "3", "--clip", "0.05", "--eval-every", "5", "--json", .. more,
    ];

    [TestMethod]
    public async Task TrainSft_InTheTrainingRuntime_LosesAsInThePlainOne()
    {
        string library = Material.OrtTrainingLibrary();
        AlignerProcess.Run plain = (await AlignerProcess.RunAsync(Arguments("plain"))).Expect(ExitCodes.Done);
        AlignerProcess.Run native = (await AlignerProcess.RunAsync(Arguments("native", "--engine", "ort-training", "--ort-training-library", library))).Expect(ExitCodes.Done);
        foreach (string value in new[] { "final_loss", "eval_loss" })
        {
            // Both compute in float32, in other orders of sums.
            Assert.AreEqual(plain.Document.GetProperty(value).GetDouble(), native.Document.GetProperty(value).GetDouble(), 1e-4, value);
        }
        Assert.AreEqual(20, native.Document.GetProperty("steps").GetInt32());
        (await AlignerProcess.RunAsync("adapter", "show", Path.Combine(_folder, "native"))).Expect(ExitCodes.Done);
    }

    [TestMethod]
    public async Task TrainSft_ConcatAttentionInTheTrainingRuntime_LosesAsInThePlainOne()
    {
        string library = Material.OrtTrainingLibrary();
        string[] concat = ["--attention", "concat", "--tokens", "4"];
        AlignerProcess.Run plain = (await AlignerProcess.RunAsync(Arguments("plain", concat))).Expect(ExitCodes.Done);
        AlignerProcess.Run native = (await AlignerProcess.RunAsync(Arguments("native", [.. concat, "--engine", "ort-training", "--ort-training-library", library]))).Expect(ExitCodes.Done);
        foreach (string value in new[] { "final_loss", "eval_loss" })
        {
            Assert.AreEqual(plain.Document.GetProperty(value).GetDouble(), native.Document.GetProperty(value).GetDouble(), 1e-4, value);
        }
        string artifacts = Path.Combine(_folder, "artifacts");
        (await AlignerProcess.RunAsync(["train", "artifacts", Material.Pocket(), "-o", artifacts, "--from", Path.Combine(_folder, "native")])).Expect(ExitCodes.Done);
        (await AlignerProcess.RunAsync("adapter", "import", Path.Combine(artifacts, "checkpoint"), "--model", Material.Pocket(), "-o", Path.Combine(_folder, "imported"))).Expect(ExitCodes.Done);
        CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(_folder, "native", "adapter_model.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "imported", "adapter_model.safetensors")));
    }

    [TestMethod]
    [DataRow("sigmoid")]
    [DataRow("ipo")]
    public async Task TrainDpo_InTheTrainingRuntime_MeasuresAsInThePlainOne(string loss)
    {
        string library = Material.OrtTrainingLibrary();
        string[] Preferences(string output, params string[] more) =>
        [
            "train", "dpo", Material.Pocket(), "--data", Material.PocketData("refuse.preference.train.jsonl"), "--eval", Material.PocketData("refuse.preference.eval.jsonl"), "-o", Path.Combine(_folder, output),
            "--loss", loss, "--own-conversations", "16", "--steps", "12", "--clip", "0.5", "--eval-every", "6", "--json", .. more,
        ];
        AlignerProcess.Run plain = (await AlignerProcess.RunAsync(Preferences("plain"))).Expect(ExitCodes.Done);
        AlignerProcess.Run native = (await AlignerProcess.RunAsync(Preferences("native", "--engine", "ort-training", "--ort-training-library", library))).Expect(ExitCodes.Done);
        foreach (string value in new[] { "final_loss", "eval_loss", "margin" })
        {
            double expected = plain.Document.GetProperty(value).GetDouble();
            // Twelve steps of float32 in other orders of sums; a margin is a sum over the tokens of many answers.
            Assert.AreEqual(expected, native.Document.GetProperty(value).GetDouble(), 1e-3 * Math.Max(1, Math.Abs(expected)), value);
        }
    }

    [TestMethod]
    public async Task TrainArtifacts_OptionsOfPairsWithoutPairs_AreAUsageError()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("train", "artifacts", Material.Pocket(), "-o", Path.Combine(_folder, "none"), "--beta", "0.2")).Expect(ExitCodes.Usage);
        Assert.Contains("--pairs", run.Errors);
        (await AlignerProcess.RunAsync("train", "artifacts", Material.Pocket(), "-o", Path.Combine(_folder, "none"), "--attention", "concat", "--start-layer", "3")).Expect(ExitCodes.Usage);
    }

    /// <summary>The default rate is for a hidden size of 128 and falls as those of the trainer do: of pairs with its square.</summary>
    [TestMethod]
    [DataRow("reference-models/ref-qwen2", new string[0], 0.04)]
    [DataRow("reference-models/ref-qwen2", new[] { "--pairs" }, 0.08)]
    [DataRow("reference-models/ref-qwen2", new[] { "--learning-rate", "0.03" }, 0.03)]
    public async Task TrainArtifacts_LearningRate_FitsTheWidthUnlessGiven(string export, string[] more, double rate)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(["train", "artifacts", Material.Shared(["exports", .. export.Split('/')]), "-o", Path.Combine(_folder, "artifacts"), "--json", .. more])).Expect(ExitCodes.Done);
        Assert.AreEqual(rate, run.Document.GetProperty("learning_rate").GetDouble());
    }

    /// <summary>The memory that is shown while it trains is that of both processes, as in the summary.</summary>
    [TestMethod]
    public async Task TrainSft_InTheTrainingRuntime_ShowsTheMemoryOfBothProcesses()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(Arguments("native", "--engine", "ort-training", "--ort-training-library", Material.OrtTrainingLibrary()))).Expect(ExitCodes.Done);
        double shown = double.Parse(Regex.Match(run.Errors, "step 20/20 .* ([0-9,]+) MB").Groups[1].Value, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        double summary = run.Document.GetProperty("peak_memory_bytes").GetInt64() / 1e6;
        Assert.AreEqual(summary, shown, 0.05 * summary);
    }

    [TestMethod]
    public async Task Resume_InTheTrainingRuntime_EndsByteForByteAsTheWholeRun()
    {
        string[] engine = ["--engine", "ort-training", "--ort-training-library", Material.OrtTrainingLibrary(), "--checkpoint-every", "1"];
        (await AlignerProcess.RunAsync(Arguments("whole", engine))).Expect(ExitCodes.Done);
        using (System.Diagnostics.Process process = AlignerProcess.Start(Arguments("killed", engine)))
        {
            string checkpoint = Path.Combine(_folder, "killed.run", "checkpoint.previous.safetensors");
            while (!File.Exists(checkpoint) && !process.HasExited)
            {
                await Task.Delay(20);
            }
            process.Kill();
            await process.WaitForExitAsync();
        }
        Assert.IsFalse(Directory.Exists(Path.Combine(_folder, "killed")), "the run ended before it was killed");
        AlignerProcess.Run other = (await AlignerProcess.RunAsync(Arguments("killed", "--resume"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("engine", other.Errors);
        (await AlignerProcess.RunAsync(Arguments("killed", [.. engine, "--resume"]))).Expect(ExitCodes.Done);
        CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(_folder, "whole", "adapter_model.safetensors")), File.ReadAllBytes(Path.Combine(_folder, "killed", "adapter_model.safetensors")));
    }

    [TestMethod]
    public async Task TrainSft_LibraryThatCannotBeUsed_IsRefusedBeforeAnythingIsRead()
    {
        string[] start = ["train", "sft", Material.Pocket(), "--data", Path.Combine(_folder, "absent.jsonl"), "-o", Path.Combine(_folder, "none"), "--engine", "ort-training", "--json"];
        AlignerProcess.Run missing = (await AlignerProcess.RunAsync([.. start, "--ort-training-library", Path.Combine(_folder, "absent.so")])).Expect(ExitCodes.ModelRefused);
        JsonElement error = missing.Document.GetProperty("error");
        Assert.AreEqual("no such file", error.GetProperty("found").GetString());
        Assert.Contains("--ort-training-library", error.GetProperty("remedy").GetString()!);
        AlignerProcess.Run managed = (await AlignerProcess.RunAsync([.. start, "--ort-training-library", typeof(TrainOrtTrainingTests).Assembly.Location])).Expect(ExitCodes.ModelRefused);
        Assert.Contains("ONNX Runtime Training cannot be used", managed.Errors);
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public async Task TrainSft_LibraryThatEndsItsProcess_IsRefusedAndTheToolLives()
    {
        // The system's loader maps the whole of a file whose end is missing, and dies where it reads that.
        byte[] whole = await File.ReadAllBytesAsync(Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so").Single());
        string half = Path.Combine(_folder, "half.so");
        await File.WriteAllBytesAsync(half, whole[..(whole.Length / 2)]);
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(Arguments("none", "--engine", "ort-training", "--ort-training-library", half))).Expect(ExitCodes.ModelRefused);
        Assert.Contains("ended by itself", run.Errors);
    }

    [TestMethod]
    public async Task Checkpoints_OfBothEngines_GoBothWays()
    {
        string library = Material.OrtTrainingLibrary();
        string At(string name) => Path.Combine(_folder, name);
        string[] schedule = ["--steps", "6", "--learning-rate", "0.02", "--weight-decay", "0.02"];
        // A run of this engine that is killed after a checkpoint...
        using (System.Diagnostics.Process process = AlignerProcess.Start(Arguments("stopped", "--checkpoint-every", "1")))
        {
            while (!File.Exists(At("stopped.run/checkpoint.previous.safetensors")) && !process.HasExited)
            {
                await Task.Delay(20);
            }
            process.Kill();
            await process.WaitForExitAsync();
        }
        // ... becomes artifacts whose checkpoint holds its tokens, gates and moments,
        (await AlignerProcess.RunAsync(["train", "artifacts", Material.Pocket(), "-o", At("artifacts"), "--from", At("stopped.run"), .. schedule])).Expect(ExitCodes.Done);
        (await AlignerProcess.RunAsync("adapter", "import", At("stopped.run"), "--model", Material.Pocket(), "-o", At("of-run"))).Expect(ExitCodes.Done);
        JsonElement imported = (await AlignerProcess.RunAsync("adapter", "import", At("artifacts/checkpoint"), "--model", Material.Pocket(), "-o", At("of-checkpoint"), "--json")).Expect(ExitCodes.Done).Document;
        Assert.IsGreaterThan(0, imported.GetProperty("steps").GetInt32());
        CollectionAssert.AreEqual(File.ReadAllBytes(At("of-run/adapter_model.safetensors")), File.ReadAllBytes(At("of-checkpoint/adapter_model.safetensors")));

        // and from the checkpoint both engines go on alike, moments included.
        string[] onwards = ["--from", At("artifacts/checkpoint")];
        double plain = (await AlignerProcess.RunAsync(Arguments("plain", onwards))).Expect(ExitCodes.Done).Document.GetProperty("final_loss").GetDouble();
        double native = (await AlignerProcess.RunAsync(Arguments("native", [.. onwards, "--engine", "ort-training", "--ort-training-library", library]))).Expect(ExitCodes.Done).Document.GetProperty("final_loss").GetDouble();
        Assert.AreEqual(plain, native, 1e-4);

        AlignerProcess.Run other = (await AlignerProcess.RunAsync("adapter", "import", At("artifacts/checkpoint"), "--model", Material.Pocket("model-fp32"), "-o", At("other"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("other weights", other.Errors);
        AlignerProcess.Run adapter = (await AlignerProcess.RunAsync("adapter", "import", At("of-run"), "--model", Material.Pocket(), "-o", At("other"))).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("cannot be imported", adapter.Errors);
    }
}
