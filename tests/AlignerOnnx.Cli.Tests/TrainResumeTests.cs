using System.Diagnostics;
using System.Globalization;

namespace AlignerOnnx.Cli.Tests;

/// <summary>A run that is killed, stopped or refused, and what is left of it.</summary>
[TestClass]
public sealed class TrainResumeTests
{
    private static readonly string Train = Material.PocketData("form-json.train.jsonl");
    private static readonly string Held = Material.PocketData("form-json.eval.jsonl");

    // A whole run takes several such lives, so that most kills meet a run that was continued before.
    private const double LongestLifeMilliseconds = 1500;

    private readonly string _folder = Material.NewTemporaryFolder();

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private string[] Arguments(string output, int checkpointEvery = 1, params string[] more) =>
        ["train", "sft", Material.Pocket(), "--data", Train, "--eval", Held, "-o", Path.Combine(_folder, output), "--steps", "200", "--checkpoint-every", $"{checkpointEvery}", "--eval-every", "7", .. more];

    /// <summary>The number of kills is ALIGNER_KILLS, 8 by default; `dotnet cake --target=KillTest` makes it 50.</summary>
    [TestMethod]
    public async Task Resume_AfterKillsAtRandomMoments_EndsByteForByteAsTheWholeRun()
    {
        int kills = int.TryParse(Environment.GetEnvironmentVariable("ALIGNER_KILLS"), CultureInfo.InvariantCulture, out int asked) ? asked : 8;
        int seed = Environment.TickCount;
        TestContext.WriteLine($"seed {seed}, {kills} kills");
        Random random = new(seed);
        Stopwatch clock = Stopwatch.StartNew();
        (await AlignerProcess.RunAsync(Arguments("whole"))).Expect(ExitCodes.Done);

        int made = 0;
        int runs = 0;
        while (made < kills)
        {
            runs++;
            bool complete = false;
            while (!complete)
            {
                // Start-up, steps, checkpoints, evaluations and the last moments, which write the adapter: all of it can be hit.
                complete = made < kills
                    ? !await KilledAsync(Arguments("killed", more: "--resume"), random.NextDouble() * LongestLifeMilliseconds)
                    : (await AlignerProcess.RunAsync(Arguments("killed", more: "--resume"))).Expect(ExitCodes.Done) is not null;
                made += complete ? 0 : 1;
                complete |= Directory.Exists(Path.Combine(_folder, "killed"));
            }
            AssertSameAdapter("whole", "killed");
            Directory.Delete(Path.Combine(_folder, "killed"), recursive: true);
            Directory.Delete(Path.Combine(_folder, "killed.run"), recursive: true);
        }
        TestContext.WriteLine($"{made} kills in {runs} runs, {clock.Elapsed.TotalSeconds:F0} s");
    }

    [TestMethod]
    [DataRow("INT")]
    [DataRow("TERM")]
    public async Task Resume_AfterASignal_EndsByteForByteAsTheWholeRun(string signal)
    {
        (await AlignerProcess.RunAsync(Arguments("whole"))).Expect(ExitCodes.Done);
        using Process process = AlignerProcess.Start(Arguments("stopped", checkpointEvery: 100));
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string? line = await process.StandardError.ReadLineAsync();
        while (line?.StartsWith("step ", StringComparison.Ordinal) == false)
        {
            line = await process.StandardError.ReadLineAsync();
        }
        await AlignerProcess.SignalAsync(process, signal);
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(ExitCodes.Cancelled, process.ExitCode, await output + errors);
        Assert.Contains("--resume", errors);
        (await AlignerProcess.RunAsync(Arguments("stopped", checkpointEvery: 100, "--resume"))).Expect(ExitCodes.Done);
        AssertSameAdapter("whole", "stopped");
    }

    [TestMethod]
    public async Task Resume_SomethingChanged_IsRefusedAndSaysWhat()
    {
        string data = Path.Combine(_folder, "data.jsonl");
        File.Copy(Train, data);
        string model = Path.Combine(_folder, "model");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        }
        string[] arguments = ["train", "sft", model, "--data", data, "-o", Path.Combine(_folder, "run"), "--steps", "5000", "--checkpoint-every", "1"];
        await KilledAfterACheckpointAsync(arguments);

        AlignerProcess.Run again = (await AlignerProcess.RunAsync(arguments)).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("--resume", again.Errors);
        AlignerProcess.Run option = (await AlignerProcess.RunAsync([.. arguments, "--resume", "--learning-rate", "0.03"])).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("learning_rate", option.Errors);
        await File.AppendAllTextAsync(data, await File.ReadAllTextAsync(Held));
        AlignerProcess.Run rows = (await AlignerProcess.RunAsync([.. arguments, "--resume"])).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("--data changed", rows.Errors);
        // The last byte of the weights: of the output head's scales, say, which no adapter fingerprint covers.
        string weights = Path.Combine(model, "model.onnx.data");
        byte[] bytes = await File.ReadAllBytesAsync(weights);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(weights, bytes);
        AlignerProcess.Run changed = (await AlignerProcess.RunAsync([.. arguments, "--resume"])).Expect(ExitCodes.AdapterOrDataRefused);
        Assert.Contains("the model changed", changed.Errors);
    }

    [TestMethod]
    public async Task Resume_KilledInTheSupervisedStageOfPreferences_EndsWithTheSameValues()
    {
        string[] Staged(string output) =>
            ["train", "dpo", Material.Pocket(), "--data", Material.PocketData("refuse.preference.train.jsonl"), "-o", Path.Combine(_folder, output), "--sft-steps", "40", "--steps", "2", "--own-conversations", "0", "--checkpoint-every", "1", "--resume"];
        AlignerProcess.Run whole = (await AlignerProcess.RunAsync(Staged("whole"))).Expect(ExitCodes.Done);
        Assert.Contains("step 40/40", whole.Errors);
        await KilledAfterACheckpointAsync(Staged("killed"));
        Assert.IsNotEmpty(Directory.GetFiles(Path.Combine(_folder, "killed.run"), "checkpoint.safetensors", SearchOption.AllDirectories));
        AlignerProcess.Run rest = (await AlignerProcess.RunAsync(Staged("killed"))).Expect(ExitCodes.Done);
        Assert.DoesNotContain("step 1/40", rest.Errors);
        CollectionAssert.AreEqual(await File.ReadAllBytesAsync(Path.Combine(_folder, "whole", "adapter_model.safetensors")), await File.ReadAllBytesAsync(Path.Combine(_folder, "killed", "adapter_model.safetensors")));
    }

    /// <summary>Where every batch has all pairs and the rate is constant, going on from a stopped run is the whole run, the optimizer's memory included.</summary>
    [TestMethod]
    public async Task TrainDpo_FromAStoppedRun_GoesOnAsTheWholeRun()
    {
        string pairs = Path.Combine(_folder, "pairs.jsonl");
        await File.WriteAllLinesAsync(pairs, File.ReadLines(Material.PocketData("refuse.preference.train.jsonl")).Take(8));
        string At(string name) => Path.Combine(_folder, name);
        string[] Preferences(string output, int steps, params string[] more) =>
        [
            "train", "dpo", Material.Pocket(), "--data", pairs, "-o", At(output), "--steps", $"{steps}", "--batch-size", "8", "--order", "file", "--schedule", "constant", "--warm-up", "0", "--learning-rate", "0.001",
            "--own-conversations", "0", "--checkpoint-every", "1", .. more,
        ];
        await KilledAfterACheckpointAsync(Preferences("stopped", 5000));
        AlignerProcess.Run imported = (await AlignerProcess.RunAsync("adapter", "import", At("stopped.run"), "--model", Material.Pocket(), "-o", At("imported"), "--json")).Expect(ExitCodes.Done);
        int made = imported.Document.GetProperty("steps").GetInt32();

        (await AlignerProcess.RunAsync(Preferences("more", 3, "--from", At("stopped.run")))).Expect(ExitCodes.Done);
        (await AlignerProcess.RunAsync(Preferences("whole", made + 3))).Expect(ExitCodes.Done);
        CollectionAssert.AreEqual(await File.ReadAllBytesAsync(At("whole/adapter_model.safetensors")), await File.ReadAllBytesAsync(At("more/adapter_model.safetensors")), $"after {made} steps");
    }

    [TestMethod]
    public async Task Train_LossThatDiverges_StopsWithTheLastGoodStepAndNamesTheRows()
    {
        // Each step multiplies the tokens by 1 - 10 * 10: they leave the numbers of float32 after about twenty.
        string[] arguments = Arguments("wild", checkpointEvery: 5, more: ["--learning-rate", "10", "--weight-decay", "10"]);
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(arguments)).Expect(ExitCodes.Failure);
        StringAssert.Matches(run.Errors, new System.Text.RegularExpressions.Regex("training stopped at step [0-9]+: the (loss|gradient) is (NaN|∞|-∞)"));
        StringAssert.Matches(run.Errors, new System.Text.RegularExpressions.Regex("where: line [0-9]+, line [0-9]+"));
        Assert.IsFalse(Directory.Exists(Path.Combine(_folder, "wild")));
        // What it left is the last good step: continued, it meets the same rows and stops again.
        AlignerProcess.Run again = (await AlignerProcess.RunAsync([.. arguments, "--resume"])).Expect(ExitCodes.Failure);
        Assert.AreEqual(Stop(run.Errors), Stop(again.Errors));

        static string Stop(string errors) => errors[errors.IndexOf("training stopped at step", StringComparison.Ordinal)..];
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public async Task Train_NoRoomForACheckpoint_SaysWhereAndLeavesNoHalfFile()
    {
        // A limit on the size of files stands for a full disk: the system refuses the write in the same place, with another error number.
        string tool = Path.Combine(AppContext.BaseDirectory, "aligner.dll");
        string arguments = string.Join(' ', Arguments("full", more: ["--tokens", "30"]).Select(argument => $"'{argument}'"));
        ProcessStartInfo start = new("bash", ["-c", $"trap '' XFSZ; ulimit -f 40; exec dotnet exec '{tool}' {arguments}"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Both would write files of their own, far larger than the limit.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        using Process process = Process.Start(start)!;
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(ExitCodes.Failure, process.ExitCode, errors);
        Assert.Contains("The checkpoint cannot be written", errors);
        Assert.Contains(Path.Combine(_folder, "full.run"), errors);
        Assert.IsFalse(Directory.Exists(Path.Combine(_folder, "full")));
        Assert.IsEmpty(Directory.GetFiles(Path.Combine(_folder, "full.run"), "*.tmp"));
    }

    /// <summary>Starts the tool and kills it after a while; false where it had ended by itself.</summary>
    private static async Task<bool> KilledAsync(string[] arguments, double milliseconds)
    {
        using Process process = AlignerProcess.Start(arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task ended = process.WaitForExitAsync();
        await Task.WhenAny(ended, Task.Delay(TimeSpan.FromMilliseconds(milliseconds)));
        bool killed = !process.HasExited;
        process.Kill();
        await ended;
        Assert.IsTrue(killed || process.ExitCode == ExitCodes.Done, await output + await errors);
        return killed;
    }

    private static async Task KilledAfterACheckpointAsync(string[] arguments)
    {
        using Process process = AlignerProcess.Start(arguments);
        string? line = await process.StandardError.ReadLineAsync();
        while (line?.StartsWith("step ", StringComparison.Ordinal) == false)
        {
            line = await process.StandardError.ReadLineAsync();
        }
        process.Kill();
        await process.WaitForExitAsync();
    }

    private void AssertSameAdapter(string expected, string actual)
    {
        string[] files = [.. Directory.GetFiles(Path.Combine(_folder, expected)).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        CollectionAssert.AreEqual(files, Directory.GetFiles(Path.Combine(_folder, actual)).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal).ToArray());
        foreach (string file in files)
        {
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(_folder, expected, file)), File.ReadAllBytes(Path.Combine(_folder, actual, file)), file);
        }
    }
}
