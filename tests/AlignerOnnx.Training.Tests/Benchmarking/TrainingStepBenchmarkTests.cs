using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.Benchmarking;

[TestClass]
public sealed class TrainingStepBenchmarkTests
{
    [TestMethod]
    public void Run_PackedRowsOfAFloat32Copy_MeasuresStepAndForward()
    {
        TrainingStepResult result = TrainingStepBenchmark.Run(Material.Pocket("model-int4"), new TrainingStepCase { Rows = 4, Length = 16, Mixed = true, Pack = true, Float32 = true }, rounds: 1);
        Assert.AreEqual(4 + 8 + 12 + 16, result.RealTokens);
        Assert.AreEqual(1, result.Step.Runs);
        Assert.IsGreaterThan(0, result.Step.SecondMilliseconds);
        Assert.IsGreaterThan(0, result.PeakMemoryBytes);
    }

    [TestMethod]
    public void Float32Copy_GivesTheLossOfTheQuantisedModel_AndLeavesNothing()
    {
        OnnxModel original = ModelLoader.Load(Material.Pocket("model-int4"));
        string folder;
        using (Float32Copy copy = Float32Copy.Of(original))
        {
            folder = Path.GetDirectoryName(copy.Model.Path!)!;
            Assert.IsFalse(copy.Model.Graph.Nodes.Any(node => node.OpType == "MatMulNBits"));
            // The same weights in float32: sums are taken in another order.
            CollectionAssert.AreEqual(LogProbabilities(original), LogProbabilities(copy.Model), Comparer<float>.Create((a, b) => Math.Abs(a - b) < 1e-4 ? 0 : a.CompareTo(b)));
        }
        Assert.IsFalse(Directory.Exists(folder));
    }

    [TestMethod]
    public void Cases_OfAQuantisedModelWithOrtTraining_AreAllDifferent()
    {
        IReadOnlyList<TrainingStepCase> cases = TrainingStepTable.Cases(quantised: true, ortTraining: true);
        Assert.HasCount(cases.Count, cases.Distinct());
        Assert.IsTrue(cases.Any(each => each is { OrtTraining: true, Recompute: true }));
    }

    private static float[] LogProbabilities(OnnxModel model)
    {
        using OnnxRuntimeEngine engine = OnnxRuntimeEngine.ForEvaluation(
            TrainingGraph.Build(model, TrainingGraphKind.Evaluation, startLayer: 2, tokens: 1).ToBytes(), Path.GetDirectoryName(model.Path!)!);
        AdapterParameters parameters = AdapterParameters.Initial(new AdapterShape(1, 128, 4, 4), seed: 1);
        return engine.ComputeLogProbabilities(TrainingBatch.Create([new TrainingExample([10, 20, 30, 40, 50], [-100, -100, 30, 40, 50])]), parameters);
    }
}
