using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class AdapterTrainerTests : IDisposable
{
    // Always answer 2: the gate and the token can learn that, whatever the table says.
    private static readonly TrainingExample[] Rows = [.. Enumerable.Range(0, 5).Select(i => new TrainingExample([i, 2], [-100, 2]) { Place = $"line {i + 1}" })];
    private static readonly TrainingOptions Options = new() { Steps = 40, BatchSize = 3, LearningRate = 0.1, Seed = 1, WarmUpSteps = 4, Schedule = LearningRateShape.Cosine };
    private readonly string _folder;
    private readonly OnnxRuntimeEngine _engine;

    public AdapterTrainerTests()
    {
        _folder = Material.NewTemporaryFolder();
        TinyGraph.WriteWeights(_folder);
        _engine = new OnnxRuntimeEngine(TinyGraph.Gradient(), _folder, TinyGraph.Evaluation, new OnnxRuntimeEngineOptions { Threads = 1 });
    }

    public void Dispose()
    {
        _engine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static AdapterParameters Start => AdapterParameters.Initial(TinyGraph.Shape, 1);

    private TrainingResult Train(TrainingOptions options, Action<TrainingProgress>? progress = null, CancellationToken token = default) =>
        Train(options, TrainingState.Start(Start), progress, token);

    private TrainingResult Train(TrainingOptions options, TrainingState start, Action<TrainingProgress>? progress = null, CancellationToken token = default) =>
        new AdapterTrainer(_engine, options).Train(new SupervisedObjective(Rows, options), start, new SupervisedEvaluation(Rows, options), new Watcher(progress), token);

    private sealed class Watcher(Action<TrainingProgress>? progress) : ITrainingWatcher
    {
        public void Stepped(TrainingProgress made, Func<TrainingState> state) => progress?.Invoke(made);
    }

    [TestMethod]
    public void Train_TinyGraph_LearnsAndReports()
    {
        List<TrainingProgress> reports = [];
        double before = LossEvaluator.Measure(_engine, Rows, Start).Loss;
        TrainingResult result = Train(Options, reports.Add);
        Assert.IsLessThan(before / 3, result.Evaluation!.Loss);
        Assert.AreEqual(result.Evaluation, reports[^1].Evaluation);
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
        TrainingResult more = new AdapterTrainer(_engine, Options).Train(new SupervisedObjective(Rows, Options), TrainingState.Start(given));
        CollectionAssert.AreEqual(kept, given.Tokens);
        Assert.IsLessThan(1, more.Losses[0]);
        Assert.IsNull(more.Evaluation);
    }

    /// <summary>Rows that a batch has no room for twice are not computed twice.</summary>
    [TestMethod]
    public void Train_BatchesLargerThanTheData_AreTheWholeDataOnce()
    {
        TrainingResult whole = Train(Options with { BatchSize = Rows.Length });
        TrainingResult larger = Train(Options with { BatchSize = 1_000_000, MicroBatchSize = 1_000_000 });
        CollectionAssert.AreEqual(whole.Parameters.Tokens, larger.Parameters.Tokens);
        CollectionAssert.AreEqual(whole.Parameters.Gates, larger.Parameters.Gates);
        Assert.AreEqual(whole.TrainedTokens, larger.TrainedTokens);
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
        TrainingResult resumed = Train(Options, stopped.State);
        TrainingResult whole = Train(Options);
        CollectionAssert.AreEqual(whole.Losses.ToArray(), resumed.Losses.ToArray());
        CollectionAssert.AreEqual(whole.Parameters.Tokens, resumed.Parameters.Tokens);
        CollectionAssert.AreEqual(whole.Parameters.Gates, resumed.Parameters.Gates);
    }

    [TestMethod]
    public void Train_StoppedInAnEvaluation_GoesBackToTheStepBefore()
    {
        // A step is complete with its evaluation; a state in between would continue without it.
        TrainingOptions options = Options with { EvaluationInterval = 10 };
        using CancellationTokenSource source = new();
        StoppingEvaluation stopping = new(new SupervisedEvaluation(Rows, options), source, atMeasurement: 2);
        TrainingResult stopped = new AdapterTrainer(_engine, options).Train(new SupervisedObjective(Rows, options), TrainingState.Start(Start), stopping, null, source.Token);
        Assert.AreEqual(19, stopped.State.Step);
        TrainingResult whole = Train(options);
        TrainingResult resumed = Train(options, stopped.State);
        CollectionAssert.AreEqual(whole.Parameters.Tokens, resumed.Parameters.Tokens);
        Assert.AreEqual(whole.State.Best!.Step, resumed.State.Best!.Step);
    }

    private sealed class StoppingEvaluation(IEvaluation inner, CancellationTokenSource source, int atMeasurement) : IEvaluation
    {
        private int _made;

        public EvaluationMeasures Measure(IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken)
        {
            if (++_made == atMeasurement)
            {
                source.Cancel();
            }
            cancellationToken.ThrowIfCancellationRequested();
            return inner.Measure(engine, parameters, cancellationToken);
        }
    }

    [TestMethod]
    public void Train_Patience_StopsAndKeepsTheBestParameters()
    {
        // Scores that rise from the third measurement on, whatever the parameters.
        TrainingOptions options = Options with { EvaluationInterval = 2, Patience = 3 };
        List<float[]> tokens = [];
        ScriptedEvaluation scripted = new([5, 4, 3, 3.5, double.PositiveInfinity, 3, 1], tokens);
        TrainingResult result = new AdapterTrainer(_engine, options).Train(new SupervisedObjective(Rows, options), TrainingState.Start(Start), scripted);
        Assert.AreEqual(12, result.State.Step);
        Assert.AreEqual(6, result.State.Best!.Step);
        Assert.AreEqual(new EarlyStop(12, options.Steps, 3, 6, LossGrown: false), result.EarlyStop);
        CollectionAssert.AreEqual(tokens[2], result.Parameters.Tokens);
        CollectionAssert.AreNotEqual(tokens[2], result.State.Parameters.Tokens);
    }

    private sealed class ScriptedEvaluation(double[] scores, List<float[]> tokens) : IEvaluation
    {
        public EvaluationMeasures Measure(IGradientEngine engine, AdapterParameters parameters, CancellationToken cancellationToken)
        {
            tokens.Add((float[])parameters.Tokens.Clone());
            return new EvaluationMeasures(scores[tokens.Count - 1], scores[tokens.Count - 1]);
        }
    }

    [TestMethod]
    public void Train_LossNotFinite_NamesTheRowsAndKeepsTheState()
    {
        // float32 overflows in gate * token, so the logits hold infinity and the loss is not a number.
        AdapterParameters huge = new(TinyGraph.Shape, [3e38f, 3e38f, 3e38f, 3e38f, 3e38f], [3e38f]);
        TrainingDivergedException error = Assert.ThrowsExactly<TrainingDivergedException>(() => Train(Options with { Order = BatchOrder.File }, TrainingState.Start(huge)));
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
        Assert.ThrowsExactly<ArgumentException>(() => new SupervisedObjective([new TrainingExample([1], [1])], Options));

    [TestMethod]
    public void Constructor_OptionOutOfRange_IsRefused()
    {
        TrainingOptions[] wrong = [Options with { Steps = 0 }, Options with { BatchSize = 0 }, Options with { LearningRate = -1 }, Options with { WarmUpSteps = 41 }, Options with { MaximumGradientNorm = 0 }];
        foreach (TrainingOptions options in wrong)
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new AdapterTrainer(_engine, options));
        }
    }
}
