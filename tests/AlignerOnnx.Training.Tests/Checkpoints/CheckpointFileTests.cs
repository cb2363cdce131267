using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class CheckpointFileTests : IDisposable
{
    private static readonly AdapterShape Shape = new(2, 3, 2, 2);
    private readonly string _folder = Material.NewTemporaryFolder();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Path => System.IO.Path.Combine(_folder, "checkpoint.safetensors");

    private static AdapterParameters Parameters(ulong seed) => new(Shape, AdapterParameters.Initial(Shape, seed).Tokens, [1, 2, 3, (float)seed]);

    private static RunIdentity Identity => new()
    {
        Model = "m",
        Files = new Dictionary<string, string> { ["data"] = "d" },
        Options = new Dictionary<string, string> { ["steps"] = "5", ["seed"] = "1" },
    };

    private static Checkpoint Sample(int steps)
    {
        AdamWState optimizer = new(steps, [[1.5, 2, 3, 4, 5, 6], [0.1, 0.2, 0.3, 0.4]], [[1, 1e-300, 3, 4, 5, 6], [1, 2, 3, 4]]);
        TrainingState state = new(Parameters(1), optimizer, [.. Enumerable.Range(0, steps).Select(i => 1.0 / (i + 3))])
        {
            Best = new BestEvaluation(2, new EvaluationMeasures(0.5, double.PositiveInfinity, new Dictionary<string, double> { ["accuracy"] = 0.25 }), Parameters(7)),
            EvaluationsSinceBest = 1,
        };
        return new Checkpoint(Identity, state, RandomState: ulong.MaxValue, DataCursor: 16L * steps);
    }

    [TestMethod]
    public void Read_WrittenCheckpoint_HasEveryBit()
    {
        Checkpoint written = Sample(4);
        CheckpointFile.Write(Path, written);
        Checkpoint read = CheckpointFile.Read(Path);
        CollectionAssert.AreEqual(written.State.Parameters.Tokens, read.State.Parameters.Tokens);
        CollectionAssert.AreEqual(written.State.Parameters.Gates, read.State.Parameters.Gates);
        CollectionAssert.AreEqual(written.State.Losses.ToArray(), read.State.Losses.ToArray());
        for (int i = 0; i < 2; i++)
        {
            CollectionAssert.AreEqual(written.State.Optimizer!.FirstMoments[i], read.State.Optimizer!.FirstMoments[i]);
            CollectionAssert.AreEqual(written.State.Optimizer.SecondMoments[i], read.State.Optimizer.SecondMoments[i]);
        }
        CollectionAssert.AreEqual(written.State.Best!.Parameters.Gates, read.State.Best!.Parameters.Gates);
        Assert.AreEqual((2, double.PositiveInfinity, 0.25, 1), (read.State.Best.Step, read.State.Best.Measures.Score, read.State.Best.Measures.Values!["accuracy"], read.State.EvaluationsSinceBest));
        Assert.AreEqual((4, ulong.MaxValue, 64L), (read.State.Optimizer!.StepCount, read.RandomState, read.DataCursor));
        Identity.RequireSame(read.Identity, Path);
    }

    [TestMethod]
    public void RemoveCheckpoints_TakesWhatAKillLeftHalfWritten()
    {
        using (RunFolder run = RunFolder.Open(_folder))
        {
            run.WriteCheckpoint(Sample(1));
            run.WriteCheckpoint(Sample(2));
            File.WriteAllText(run.File("checkpoint.safetensors.0123.tmp"), "half");
            File.WriteAllText(run.File("metrics.jsonl"), "");
            run.RemoveCheckpoints();
        }
        Assert.AreEqual("metrics.jsonl", System.IO.Path.GetFileName(Directory.GetFiles(_folder).Single()));
    }

    [TestMethod]
    public void Read_AnyByteOfTheArraysChanged_IsRefused()
    {
        CheckpointFile.Write(Path, Sample(4));
        byte[] bytes = File.ReadAllBytes(Path);
        int data = 8 + BitConverter.ToInt32(bytes);
        foreach (int at in new[] { data, data + 30, data + 100, bytes.Length / 2, 3, 20 })
        {
            byte[] damaged = (byte[])bytes.Clone();
            damaged[at] ^= 0x40;
            File.WriteAllBytes(Path, damaged);
            CheckpointRefusedException error = Assert.ThrowsExactly<CheckpointRefusedException>(() => CheckpointFile.Read(Path), $"byte {at}");
            Assert.AreEqual(Path, error.Where);
        }
    }

    [TestMethod]
    public void ReadCheckpoint_NewestDamagedOrMissing_TakesTheOneBefore()
    {
        using RunFolder run = RunFolder.Open(_folder);
        Assert.IsNull(run.ReadCheckpoint());
        run.WriteCheckpoint(Sample(3));
        run.WriteCheckpoint(Sample(4));
        Assert.AreEqual(4, run.ReadCheckpoint()!.State.Step);
        File.WriteAllBytes(run.CheckpointPath, File.ReadAllBytes(run.CheckpointPath)[..^5]);
        Assert.AreEqual(3, run.ReadCheckpoint()!.State.Step);
        File.Delete(run.CheckpointPath);
        Assert.AreEqual(3, run.ReadCheckpoint()!.State.Step);
        run.RemoveCheckpoints();
        Assert.IsNull(run.ReadCheckpoint());
    }

    [TestMethod]
    public void ReadCheckpoint_AllDamaged_IsRefused()
    {
        using RunFolder run = RunFolder.Open(_folder);
        File.WriteAllText(run.CheckpointPath, "no checkpoint");
        Assert.ThrowsExactly<CheckpointRefusedException>(run.ReadCheckpoint);
    }

    [TestMethod]
    public void Open_FolderOfAnotherRun_IsRefused()
    {
        using RunFolder run = RunFolder.Open(_folder);
        Assert.Contains("Another process", Assert.ThrowsExactly<IOException>(() => RunFolder.Open(_folder)).Message);
    }

    [TestMethod]
    public void RequireSame_SomethingChanged_SaysWhat()
    {
        RunIdentity[] others =
        [
            Identity with { Model = "other" },
            Identity with { Files = new Dictionary<string, string> { ["data"] = "other" } },
            Identity with { Files = new Dictionary<string, string> { ["data"] = "d", ["eval"] = "e" } },
            Identity with { Options = new Dictionary<string, string> { ["steps"] = "6", ["seed"] = "1" } },
        ];
        string[] names = ["the model", "--data", "--eval", "the option steps"];
        foreach ((RunIdentity other, string name) in others.Zip(names))
        {
            Assert.Contains(name, Assert.ThrowsExactly<CheckpointRefusedException>(() => other.RequireSame(Identity, Path)).Message);
        }
    }

    /// <summary>Some options follow from others (the interval of evaluations from the steps): the one that was typed must be named, whatever its place in the alphabet.</summary>
    [TestMethod]
    public void RequireSame_SeveralOptionsChanged_NamesThemAllWithBothValues()
    {
        RunIdentity saved = Identity with { Options = new Dictionary<string, string> { ["evaluation_interval"] = "25", ["seed"] = "1", ["steps"] = "250" } };
        RunIdentity now = Identity with { Options = new Dictionary<string, string> { ["evaluation_interval"] = "6", ["seed"] = "1", ["steps"] = "60" } };
        CheckpointRefusedException refusal = Assert.ThrowsExactly<CheckpointRefusedException>(() => now.RequireSame(saved, Path));
        Assert.Contains("evaluation_interval, steps", refusal.What);
        Assert.Contains("evaluation_interval 25, steps 250", refusal.Found!);
        Assert.Contains("evaluation_interval 6, steps 60", refusal.Expected!);
    }
}
