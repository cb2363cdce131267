using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

/// <summary>Batches, objective, evaluation and trainer together on the embedded model.</summary>
[TestClass]
public sealed class PreferenceTrainingTests
{
    private static readonly AdapterShape Shape = new(1, 128, 4, 4);
    private static readonly TrainingOptions Recipe = new() { Steps = 12, BatchSize = 3, LearningRate = 0.05, Seed = 3 };

    /// <summary>Three pairs of different lengths; their answers share no token, so that one can gain on the other.</summary>
    private static readonly PreferencePair[] Pairs = [.. Enumerable.Range(0, 3).Select(i => new PreferencePair(Answer(i, 4 + i, 300), Answer(i, 3, 500)))];

    [TestMethod]
    [DataRow(PreferenceLossKind.Sigmoid, 0.0)]
    [DataRow(PreferenceLossKind.Sigmoid, 0.2)]
    [DataRow(PreferenceLossKind.Ipo, 0.0)]
    public void Train_Pairs_MakesThePreferredAnswersGain(PreferenceLossKind kind, double smoothing)
    {
        PreferenceOptions preference = new() { Loss = new PreferenceLossOptions { Kind = kind, LabelSmoothing = smoothing }, SupervisedWeight = 0.1 };
        using OnnxRuntimeEngine engine = Open(preference.Loss);
        ReferencedPairs pairs = Referenced(engine);
        PreferenceEvaluation evaluation = new(pairs, Recipe, preference);
        EvaluationMeasures before = evaluation.Measure(engine, Start(), default);
        Assert.AreEqual(0, before.Values![PreferenceMeasures.MarginName], 1e-5, "the start is the reference");
        TrainingResult result = new AdapterTrainer(engine, Recipe).Train(new PreferenceObjective(pairs, Recipe, preference), TrainingState.Start(Start()), evaluation);
        Assert.IsLessThan(before.Loss, result.Evaluation!.Loss);
        Assert.IsGreaterThan(0.01, result.Evaluation.Values![PreferenceMeasures.MarginName]);
        Assert.AreEqual(1, result.Evaluation.Values[PreferenceMeasures.RewardAccuracyName]);
        // Graph and evaluation agree about the loss of the same numbers: the first step's batch is all pairs, whose loss the start had.
        Assert.AreEqual(before.Loss, result.Losses[0], 1e-5);
    }

    [TestMethod]
    [DataRow(PreferenceLossKind.Sigmoid)]
    [DataRow(PreferenceLossKind.Ipo)]
    public void Gradient_OfMicroBatchesAndPackedPairs_IsThatOfTheWholeBatch(PreferenceLossKind kind)
    {
        PreferenceOptions preference = new() { Loss = new PreferenceLossOptions { Kind = kind }, SupervisedWeight = 0.5 };
        using OnnxRuntimeEngine engine = Open(preference.Loss);
        ReferencedPairs pairs = Referenced(engine);
        AdapterParameters parameters = Start();
        Array.Fill(parameters.Gates, 0.1f);
        (StepMeasures whole, GradientSum expected) = Gradient(engine, pairs, preference, parameters, Recipe);
        foreach (TrainingOptions options in new[] { Recipe with { MicroBatchSize = 1 }, Recipe with { MicroBatchSize = 2 }, Recipe with { Pack = true } })
        {
            (StepMeasures parts, GradientSum actual) = Gradient(engine, pairs, preference, parameters, options);
            Assert.AreEqual(whole.Loss, parts.Loss, 1e-5);
            Assert.AreEqual(whole.Values![PreferenceMeasures.MarginName], parts.Values![PreferenceMeasures.MarginName], 1e-5);
            Closeness.AssertClose(expected.Tokens, actual.Tokens, 1e-5, "tokens");
            Closeness.AssertClose(expected.Gates, actual.Gates, 1e-5, "gates");
        }
    }

    [TestMethod]
    public void Train_StoppedAndContinued_EndsAsTheWholeRun()
    {
        PreferenceOptions preference = new();
        using OnnxRuntimeEngine engine = Open(preference.Loss);
        PreferenceObjective objective = new(Referenced(engine), Recipe with { BatchSize = 2 }, preference);
        TrainingState whole = new AdapterTrainer(engine, Recipe).Train(objective, TrainingState.Start(Start())).State;
        using CancellationTokenSource stop = new();
        TrainingResult half = new AdapterTrainer(engine, Recipe).Train(objective, TrainingState.Start(Start()), watcher: new StopAfter(5, stop), cancellationToken: stop.Token);
        Assert.AreEqual(5, half.State.Step);
        TrainingState again = new AdapterTrainer(engine, Recipe).Train(objective, half.State).State;
        CollectionAssert.AreEqual(whole.Parameters.Tokens, again.Parameters.Tokens);
        CollectionAssert.AreEqual(whole.Parameters.Gates, again.Parameters.Gates);
    }

    /// <summary>Tokens and gates of zeros have no gradient, so the policy stays its own reference.</summary>
    [TestMethod]
    public void Train_AModelThatStaysItsReference_FailsAfterTheFirstStep()
    {
        PreferenceOptions preference = new();
        using OnnxRuntimeEngine engine = Open(preference.Loss);
        PreferenceObjective objective = new(Referenced(engine), Recipe, preference);
        AdapterParameters zeros = new(Shape, new float[Shape.TokenValues], new float[Shape.GateValues]);
        PreferenceStalledException stalled = Assert.ThrowsExactly<PreferenceStalledException>(() => new AdapterTrainer(engine, Recipe).Train(objective, TrainingState.Start(zeros)));
        Assert.AreEqual(1, stalled.Steps);
    }

    [TestMethod]
    public void ComputeGradients_BatchOfTheOtherKind_IsRefused()
    {
        using OnnxRuntimeEngine engine = Open(new PreferenceLossOptions());
        Assert.ThrowsExactly<ArgumentException>(() => engine.ComputeGradients(TrainingBatch.Create([Pairs[0].Chosen]), Start()));
    }

    private static (StepMeasures Measures, GradientSum Gradient) Gradient(OnnxRuntimeEngine engine, ReferencedPairs pairs, PreferenceOptions preference, AdapterParameters parameters, TrainingOptions options)
    {
        GradientSum sum = new(Shape);
        return (new PreferenceObjective(pairs, options, preference).ComputeGradient(engine, 0, parameters, sum, default), sum);
    }

    private static ReferencedPairs Referenced(OnnxRuntimeEngine engine) => new(Pairs, SequenceLogProbabilities.Measure(engine, Pairs, Start(), batchSize: 2));

    private static AdapterParameters Start() => AdapterParameters.Initial(Shape, seed: 1);

    private static TrainingExample Answer(int prompt, int length, int first) => new(
        [10, 20 + prompt, .. Enumerable.Range(0, length).Select(t => first + (7 * t))],
        [-100, -100, .. Enumerable.Range(0, length).Select(t => first + (7 * t))]) { Place = $"line {prompt + 1}" };

    private static OnnxRuntimeEngine Open(PreferenceLossOptions loss)
    {
        string folder = Material.Pocket();
        OnnxModel model = ModelLoader.Load(ModelPaths.FindOnnxFile(folder));
        byte[] gradient = TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer: 2, tokens: 1, new TrainingGraphOptions { Preference = loss }).ToBytes();
        byte[] Evaluation() => TrainingGraph.Build(model, TrainingGraphKind.Evaluation, startLayer: 2, tokens: 1).ToBytes();
        return new OnnxRuntimeEngine(gradient, folder, Evaluation, new OnnxRuntimeEngineOptions { Threads = 1 });
    }

    private sealed class StopAfter(int step, CancellationTokenSource stop) : ITrainingWatcher
    {
        public void Stepped(TrainingProgress made, Func<TrainingState> state)
        {
            if (made.Step == step)
            {
                stop.Cancel();
            }
        }
    }
}
