using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class SupervisedTrainerTests : IDisposable
{
    // Always answer 2: the gate and the token can learn that, whatever the table says.
    private static readonly TrainingExample[] Rows = [.. Enumerable.Range(0, 5).Select(i => new TrainingExample([i, 2], [-100, 2]) { Place = $"line {i + 1}" })];
    private static readonly SupervisedTrainingOptions Options = new() { Steps = 40, BatchSize = 3, LearningRate = 0.1, Seed = 1, WarmUpSteps = 4, Schedule = LearningRateShape.Cosine };
    private readonly string _folder;
    private readonly OnnxRuntimeEngine _engine;

    public SupervisedTrainerTests()
    {
        _folder = Material.NewTemporaryFolder();
        TinyGraph.WriteWeights(_folder);
        _engine = new OnnxRuntimeEngine(TinyGraph.Gradient(), _folder, TinyGraph.Evaluation(), new OnnxRuntimeEngineOptions { Threads = 1 });
    }

    public void Dispose()
    {
        _engine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static AdapterParameters Start => AdapterParameters.Initial(TinyGraph.Shape, 1);

    private TrainingResult Train(SupervisedTrainingOptions options, Action<TrainingProgress>? progress = null, CancellationToken token = default) =>
        new SupervisedTrainer(_engine, options).Train(Rows, Start, Rows, progress, token);

    [TestMethod]
    public void Train_TinyGraph_LearnsAndReports()
    {
        List<TrainingProgress> reports = [];
        double before = LossEvaluator.Measure(_engine, Rows, Start).Loss;
        TrainingResult result = Train(Options, reports.Add);
        Assert.IsLessThan(before / 3, result.Evaluation!.Loss);
        Assert.AreEqual(5, result.Evaluation.Tokens);
        Assert.HasCount(40, reports);
        CollectionAssert.AreEqual(result.Losses.ToArray(), reports.Select(report => report.Loss).ToArray());
        Assert.AreEqual(0.025, reports[0].LearningRate, 1e-12);
        Assert.AreEqual((40, 40), (reports[^1].Step, reports[^1].Steps));
        Assert.IsGreaterThan(0, reports[^1].TokensPerSecond);
        Assert.AreEqual(40 * 3 * 2, result.TrainedTokens);
        Assert.IsFalse(result.Cancelled);
        Assert.IsGreaterThan(0, result.PeakMemoryBytes);
    }

    [TestMethod]
    public void Train_SameSeed_GivesTheSameNumbers()
    {
        CollectionAssert.AreEqual(Train(Options).Parameters.Tokens, Train(Options).Parameters.Tokens);
        CollectionAssert.AreNotEqual(Train(Options).Parameters.Tokens, Train(Options with { Seed = 2 }).Parameters.Tokens);
    }

    [TestMethod]
    public void Train_GivenParameters_StartsFromACopyOfThem()
    {
        AdapterParameters given = Train(Options).Parameters;
        float[] kept = (float[])given.Tokens.Clone();
        TrainingResult more = new SupervisedTrainer(_engine, Options).Train(Rows, given);
        CollectionAssert.AreEqual(kept, given.Tokens);
        Assert.IsLessThan(1, more.Losses[0]);
        Assert.IsNull(more.Evaluation);
    }

    [TestMethod]
    public void Train_MicroBatches_GiveTheSameUpdates()
    {
        TrainingResult whole = Train(Options);
        TrainingResult parts = Train(Options with { MicroBatchSize = 1 });
        for (int step = 0; step < Options.Steps; step++)
        {
            // Sums of float32 in another order, carried through 40 steps.
            Assert.AreEqual(whole.Losses[step], parts.Losses[step], 1e-4, $"step {step}");
        }
    }

    [TestMethod]
    public void Train_CancelledAndResumed_EndsWhereTheWholeRunEnds()
    {
        using CancellationTokenSource source = new();
        TrainingResult stopped = Train(Options, report => { if (report.Step == 13) { source.Cancel(); } }, source.Token);
        Assert.IsTrue(stopped.Cancelled);
        Assert.AreEqual(13, stopped.State.Step);
        Assert.IsNull(stopped.Evaluation);
        TrainingResult resumed = new SupervisedTrainer(_engine, Options).Train(Rows, stopped.State);
        TrainingResult whole = Train(Options);
        CollectionAssert.AreEqual(whole.Losses.ToArray(), resumed.Losses.ToArray());
        CollectionAssert.AreEqual(whole.Parameters.Tokens, resumed.Parameters.Tokens);
        CollectionAssert.AreEqual(whole.Parameters.Gates, resumed.Parameters.Gates);
    }

    [TestMethod]
    public void Train_LossNotFinite_NamesTheRowsAndKeepsTheState()
    {
        // float32 overflows in gate * token, so the logits hold infinity and the loss is not a number.
        AdapterParameters huge = new(TinyGraph.Shape, [3e38f, 3e38f, 3e38f, 3e38f, 3e38f], [3e38f]);
        SupervisedTrainer trainer = new(_engine, Options with { Order = BatchOrder.File });
        TrainingDivergedException error = Assert.ThrowsExactly<TrainingDivergedException>(() => trainer.Train(Rows, huge));
        CollectionAssert.AreEqual(new[] { "line 1", "line 2", "line 3" }, error.Places.ToArray());
        Assert.AreEqual(1, error.Step);
        Assert.AreEqual(0, error.State.Step);
        Assert.Contains("lower the learning rate", error.Message);
    }

    [TestMethod]
    public void Train_GradientClipping_ReportsTheNormBefore()
    {
        List<TrainingProgress> reports = [];
        Train(Options with { MaximumGradientNorm = 1e-3, Steps = 4 }, reports.Add);
        Assert.IsGreaterThan(1e-3, reports[0].GradientNorm);
    }

    [TestMethod]
    public void Train_RowWithoutTarget_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => new SupervisedTrainer(_engine, Options).Train([new TrainingExample([1], [1])], Start));

    [TestMethod]
    public void Constructor_OptionOutOfRange_IsRefused()
    {
        SupervisedTrainingOptions[] wrong = [Options with { Steps = 0 }, Options with { BatchSize = 0 }, Options with { LearningRate = -1 }, Options with { WarmUpSteps = 41 }, Options with { MaximumGradientNorm = 0 }];
        foreach (SupervisedTrainingOptions options in wrong)
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new SupervisedTrainer(_engine, options));
        }
    }
}
