using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class OnnxRuntimeEngineTests
{
    private static readonly TrainingExample[] Rows = [new([0, 1, 2], [-100, 1, 2]), new([3, 4], [-100, 4])];
    private static readonly float[] Tokens = [0.5f, -1, 0.25f, 2, 0];
    private string _folder = "";

    [TestInitialize]
    public void MakeFolder()
    {
        _folder = Material.NewTemporaryFolder();
        TinyGraph.WriteWeights(_folder);
    }

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private OnnxRuntimeEngine Engine(bool prepack = true) =>
        new(TinyGraph.Gradient(), _folder, TinyGraph.Evaluation, new OnnxRuntimeEngineOptions { Threads = 1, Prepack = prepack });

    private static AdapterParameters Parameters(float gate) => new(TinyGraph.Shape, (float[])Tokens.Clone(), [gate]);

    /// <summary>The closed form in double: the loss of each (last token, target) pair and the error p - hot of the logits.</summary>
    private static (double Loss, double[] ShiftGradient) Reference(float gate)
    {
        (int Last, int Target)[] pairs = [(0, 1), (1, 2), (3, 4)];
        double loss = 0;
        double[] gradient = new double[TinyGraph.Vocabulary];
        foreach ((int last, int target) in pairs)
        {
            double[] powers = [.. Enumerable.Range(0, TinyGraph.Vocabulary).Select(j => Math.Exp(TinyGraph.Table[last * TinyGraph.Vocabulary + j] + (double)gate * Tokens[j]))];
            double total = powers.Sum();
            loss -= Math.Log(powers[target] / total) / pairs.Length;
            for (int j = 0; j < gradient.Length; j++)
            {
                gradient[j] += (powers[j] / total - (j == target ? 1 : 0)) / pairs.Length;
            }
        }
        return (loss, gradient);
    }

    [TestMethod]
    [DataRow(0f, true)]
    [DataRow(0.7f, true)]
    [DataRow(-1.3f, false)]
    public void ComputeGradients_TinyGraph_GivesTheClosedForm(float gate, bool prepack)
    {
        using OnnxRuntimeEngine engine = Engine(prepack);
        GradientResult result = engine.ComputeGradients(TrainingBatch.Create(Rows), Parameters(gate));
        (double loss, double[] shift) = Reference(gate);
        // float32 arithmetic on values of about 1.
        Assert.AreEqual(loss, result.Loss, 1e-6);
        for (int j = 0; j < Tokens.Length; j++)
        {
            Assert.AreEqual(gate * shift[j], result.TokenGradient[j], 1e-6, $"token value {j}");
        }
        Assert.AreEqual(shift.Zip(Tokens).Sum(pair => pair.First * pair.Second), result.GateGradient[0], 1e-6);
    }

    [TestMethod]
    public void ComputeGradients_OtherBatchAndParameters_ReusesBuffersWithoutLeftovers()
    {
        using OnnxRuntimeEngine engine = Engine();
        double first = engine.ComputeGradients(TrainingBatch.Create(Rows), Parameters(0.7f)).Loss;
        engine.ComputeGradients(TrainingBatch.Create([Rows[1]]), Parameters(0));
        Assert.AreEqual(first, engine.ComputeGradients(TrainingBatch.Create(Rows), Parameters(0.7f)).Loss);
    }

    [TestMethod]
    public void Evaluate_WithAndWithoutEvaluationGraph_GivesTheMeanOverTokens()
    {
        using OnnxRuntimeEngine both = Engine();
        using OnnxRuntimeEngine gradientOnly = new(TinyGraph.Gradient(), _folder);
        TrainingBatch unevenWeights = TrainingBatch.Create(Rows, weightTotal: 100);
        foreach (OnnxRuntimeEngine engine in new[] { both, gradientOnly })
        {
            LossSummary measured = engine.Evaluate(unevenWeights, Parameters(0.7f));
            Assert.AreEqual(Reference(0.7f).Loss, measured.Loss, 1e-6);
            Assert.AreEqual(3, measured.Tokens);
            Assert.AreEqual(Math.Exp(measured.Loss), measured.Perplexity, 1e-12);
        }
    }

    [TestMethod]
    public void ComputeGradients_Cancelled_Throws()
    {
        using OnnxRuntimeEngine engine = Engine();
        Assert.ThrowsExactly<OperationCanceledException>(() => engine.ComputeGradients(TrainingBatch.Create(Rows), Parameters(0), new CancellationToken(true)));
    }

    [TestMethod]
    public void ComputeGradients_WrongShape_IsRefused()
    {
        using OnnxRuntimeEngine engine = Engine();
        AdapterParameters wrong = AdapterParameters.Initial(TinyGraph.Shape with { HiddenSize = 4 }, 0);
        Assert.ThrowsExactly<AdapterRefusedException>(() => engine.ComputeGradients(TrainingBatch.Create(Rows), wrong));
    }

    [TestMethod]
    public void Constructor_OtherNames_IsRefused()
    {
        ModelRefusedException refusal = Assert.ThrowsExactly<ModelRefusedException>(() => new OnnxRuntimeEngine(TinyGraph.Gradient(loss: "cost"), _folder));
        Assert.Contains("cost", refusal.Found!);
    }

    [TestMethod]
    public void Constructor_WeightsMissing_IsRefused()
    {
        File.Delete(Path.Combine(_folder, "table.data"));
        Assert.ThrowsExactly<ModelRefusedException>(() => new OnnxRuntimeEngine(TinyGraph.Gradient(), _folder));
    }

    [TestMethod]
    public void Constructor_NotAModel_IsRefused() => Assert.ThrowsExactly<ModelRefusedException>(() => new OnnxRuntimeEngine([1, 2, 3], _folder));

    [TestMethod]
    public void PeakMemory_IsAtLeastWhatIsUsedNow()
    {
        Assert.AreEqual(123456L * 1024, PeakMemory.ParseKibibytes("VmHWM:\t  123456 kB"));
        Assert.IsGreaterThan(10_000_000, PeakMemory.ReadBytes());
    }
}
