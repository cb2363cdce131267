using System.Runtime.InteropServices;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>
/// Artifacts that others made (by hand, and by the official gradient builder) and the losses that they gave, against this project's artifacts of the same graphs, all in the
/// native library. The recorded graphs of the mini LLaMA hold the branch of the tokens already, so it is cut out of them first: what is left is the base model, in which the
/// project recognises attention, puts its own branch, and derives its own gradient.
/// </summary>
[TestClass]
public sealed class RecordedArtifactTests
{
    // The losses are float32 sums of other orders, carried on over 40 steps.
    private const double LossTolerance = 1e-5;

    private readonly string _folder = Material.NewTemporaryFolder();

    public TestContext TestContext { get; set; } = null!;

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    private static string Recorded(params string[] parts) => Material.Shared(["golden", "training", .. parts]);

    private static readonly ArtifactOptions HandOptimizer = new()
    {
        Tokens = 3,
        StartLayer = 0,
        Steps = 40,
        Schedule = new LearningRateSchedule(LearningRateShape.Constant, 0.02, 5, 40),
        Optimizer = new AdamWOptions { WeightDecay = 0.01 },
        MaximumGradientNorm = 0.05,
    };

    [TestMethod]
    public void MiniLlama_HandWrittenArtifacts_GiveTheSameCurve()
    {
        double[] expected = Curve(Recorded("mini_hand", "curve.json"), "losses");
        ArtifactSet own = MiniLlama(HandOptimizer);
        float[][] losses = Train(own, MiniBatch(), expected.Length, out float[] firstGradient);
        Compare(expected, losses, "hand-written artifacts");
        Closeness.AssertClose(Singles(Recorded("mini_hand", "g_native.npy"), 128), firstGradient, 1e-6, "gradient");
    }

    [TestMethod]
    public void MiniLlama_ArtifactsOfTheOfficialBuilder_GiveTheSameCurve()
    {
        double[] expected = Curve(Recorded("mini_official", "official_curve.json"), "official");
        // Their optimizer corrects in another order, and their loop set the learning rate 0.01; the gradients are this project's.
        ModelProto optimizer = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Recorded("mini_official", "optimizer_model.onnx")));
        optimizer.Graph.Initializer.Add(Tensor.Of("rate", [0.01f], 1));
        optimizer.Graph.Node.Single().Input[0] = "rate";
        ArtifactSet own = MiniLlama(HandOptimizer) with { OptimizerModel = optimizer.ToByteArray() };
        float[][] losses = Train(own, MiniBatch(), expected.Length, out float[] firstGradient);
        Compare(expected, losses, "artifacts of the official builder");
        Closeness.AssertClose(Singles(Recorded("mini_official", "g_official.npy"), 128), firstGradient, 1e-6, "gradient");
    }

    /// <summary>A linear classifier: nothing to recognise, but the optimizer's graph is of this project.</summary>
    [TestMethod]
    [DataRow("mode0")]
    [DataRow("sched")]
    public void Classifier_OptimizerOfThisProject_FollowsTheFloat64Reference(string record)
    {
        JsonElement[] steps = [.. JsonDocument.Parse(File.ReadAllBytes(Recorded("hand_ce", "ref.json"))).RootElement.GetProperty(record).EnumerateArray()];
        bool scheduled = record == "sched";
        ArtifactOptions options = new()
        {
            Steps = steps.Length,
            Schedule = new LearningRateSchedule(LearningRateShape.Constant, scheduled ? 0.02 : 0.001, scheduled ? 5 : 0, steps.Length),
            Optimizer = new AdamWOptions { WeightDecay = 0.01 },
            MaximumGradientNorm = scheduled ? 0.05 : null,
        };
        ArtifactSet recorded = new(
            File.ReadAllBytes(Recorded("hand_ce", "training_model.const.onnx")), File.ReadAllBytes(Recorded("hand_ce", "eval_model.const.onnx")),
            OptimizerModelGraph.Build(options).ToByteArray(), File.ReadAllBytes(Recorded("hand_ce", "checkpoint.const")), Recorded("hand_ce"));
        float[] x = Singles(Recorded("hand_ce", "x.bin"));
        long[] labels = Longs(Recorded("hand_ce", "y.bin"));
        TensorData[] batch = [new(x, labels.Length, x.Length / labels.Length), new(labels, labels.Length)];
        using OrtTrainingSession session = new(Material.OrtTrainingLibrary(), recorded, threads: 1);
        foreach (JsonElement step in steps)
        {
            Assert.AreEqual(step.GetProperty("loss").GetDouble(), session.TrainStep(batch)[0][0], 1e-6, "loss");
            session.OptimizerStep();
            Closeness.AssertClose([.. step.GetProperty("b").EnumerateArray().Select(number => number.GetSingle())], session.ReadParameters(), 1e-6, "parameters");
        }
    }

    /// <summary>A quantised output head behind a trained offset: no attention, so only the loss and the gradient are this project's.</summary>
    [TestMethod]
    [DataRow("4")]
    [DataRow("8")]
    public void QuantisedHead_HandWrittenArtifacts_GiveTheSameCurve(string bits)
    {
        string folder = Recorded("mini_int4_int8_opset21_ort128", bits);
        byte[] optimizer = OptimizerModelGraph.Build(HandOptimizer).ToByteArray();
        byte[] evaluation = File.ReadAllBytes(Path.Combine(folder, "eval.onnx"));
        byte[] checkpoint = File.ReadAllBytes(Path.Combine(folder, "ckpt"));
        using OrtTrainingSession recorded = new(Material.OrtTrainingLibrary(), new ArtifactSet(File.ReadAllBytes(Path.Combine(folder, "train.onnx")), evaluation, optimizer, checkpoint, folder), threads: 1);
        using OrtTrainingSession own = new(Material.OrtTrainingLibrary(), new ArtifactSet(TrainedOffset(Path.Combine(folder, "eval.onnx")), evaluation, optimizer, checkpoint, folder), threads: 1);
        TensorData[] theirBatch = [new(Ids, 2, 9), new(Labels, 2, 9)];
        double first = double.NaN;
        for (int step = 0; step < 20; step++)
        {
            float expected = recorded.TrainStep(theirBatch)[0][0];
            Assert.AreEqual(expected, own.TrainStep([new(Ids, 2, 9), .. Targets()])[0][0], LossTolerance, $"step {step}");
            recorded.OptimizerStep();
            own.OptimizerStep();
            first = double.IsNaN(first) ? expected : first;
            Assert.IsTrue(step == 0 || expected < first, $"step {step}: {expected}");
        }
        Closeness.AssertClose(recorded.ReadParameters(), own.ReadParameters(), 1e-5, "parameters");
    }

    private static long[] Ids => Longs(Recorded("mini_hand", "ids.bin"));

    private static long[] Labels => Longs(Recorded("mini_hand", "lab.bin"));

    private static TensorData[] MiniBatch() => [new(Ids, 2, 9), new(Enumerable.Repeat(1L, 18).ToArray(), 2, 9), .. Targets()];

    /// <summary>The recorded labels as this project's graphs take them; they stand where they are predicted.</summary>
    private static TensorData[] Targets()
    {
        (long Label, int Place)[] targets = [.. Labels.Select((label, place) => (label, place)).Where(target => target.label != -100)];
        int count = targets.Length;
        return
        [
            new(targets.Select(target => (long)target.Place).ToArray(), count), new(targets.Select(target => target.Label).ToArray(), count),
            new(targets.Select(_ => 1f / count).ToArray(), count),
        ];
    }

    private ArtifactSet MiniLlama(ArtifactOptions options)
    {
        string model = WriteBase(Recorded("mini_hand", "eval.onnx"));
        float[] start = Singles(Recorded("mini_hand", "p0.bin"));
        AdapterShape shape = new(3, 32, 2, 4);
        return TrainingArtifacts.Make(ModelLoader.Load(model), options with { Start = new OrtCheckpoint(new AdapterParameters(shape, start[..shape.TokenValues], start[shape.TokenValues..])) });
    }

    /// <summary>Cuts tokens, gates and loss out of a recorded graph.</summary>
    private string WriteBase(string recorded)
    {
        OnnxModel model = ModelLoader.Load(recorded);
        OnnxGraph graph = model.Graph;
        foreach (string gate in new[] { "gate_0", "gate_1" })
        {
            Node gated = graph.Find(gate)!.Uses.Single().Node.Output.Uses.Single().Node;
            Node sum = gated.Output.Uses.Single().Node;
            OnnxGraph.ReplaceUses(sum.Output, sum.Inputs.Single(input => input != gated.Output)!);
        }
        Value logits = graph.Nodes.Single(node => node.Is("LogSoftmax")).Input(0)!;
        graph.RemoveOutput(graph.Outputs.Single());
        graph.AddOutput(logits, Shapes.Declare(DataType.Float, "B", "S", 61));
        graph.RemoveUnused();
        foreach (Value input in graph.Inputs.Where(input => input.Name != "input_ids").ToArray())
        {
            graph.RemoveInput(input);
        }
        // The recorded graph has no padding, and its own causal mask.
        _ = graph.AddInput("attention_mask", Shapes.Declare(DataType.Int64, "B", "S"));
        ModelProto proto = model.ToProto();
        string old = logits.Name;
        proto.Graph.Node.Single(node => node.Output.Contains(old)).Output[0] = "logits";
        proto.Graph.Output.Single().Name = "logits";
        string file = Path.Combine(_folder, "base.onnx");
        File.WriteAllBytes(file, proto.ToByteArray());
        return file;
    }

    /// <summary>This project's loss and gradient for the offset b before the quantised head.</summary>
    private static byte[] TrainedOffset(string recorded)
    {
        ModelProto proto = ModelLoader.Load(recorded).ToProto();
        proto.Graph.Output.Clear();
        NodeProto head = proto.Graph.Node.Single(node => node.OpType == "MatMulNBits");
        head.Output[0] = "logits";
        proto.Graph.Output.Add(new ValueInfoProto { Name = "logits", Type = Shapes.Declare(DataType.Float, "B", "S", 61) });
        foreach (NodeProto loss in proto.Graph.Node.SkipWhile(node => node != head).Skip(1).ToArray())
        {
            proto.Graph.Node.Remove(loss);
        }
        OnnxModel model = ModelLoader.FromProto(proto);
        OnnxGraph graph = model.Graph;
        graph.RemoveInput(graph.Find("labels")!);
        // Exports declare the shapes of their values; without one a vector counts as fitting.
        graph.Find("e")!.Type = Shapes.Declare(DataType.Float, "B", "S", 64);
        TrainingGraphOptions options = new() { Runtime = TrainingRuntime.OnnxRuntimeTraining };
        TargetLogProbabilities targets = TargetLogProbabilities.Attach(model, options, differentiated: true);
        CrossEntropyLoss crossEntropy = CrossEntropyLoss.Attach(targets);
        Value offset = graph.Find("b")!;
        GradientContext gradients = Differentiator.Differentiate(graph, targets.Origin, targets.OriginGradient(crossEntropy.TargetWeights), [offset], options.Runtime);
        graph.AddOutput(crossEntropy.Outputs[0].Value, crossEntropy.Outputs[0].Type);
        _ = graph.AddNode("Identity", Domains.Standard, "", [gradients.GradientOf(offset)], ["b_gradient"]);
        TrainingModelGraph.Apply(graph, "b");
        graph.RemoveUnused();
        return model.ToBytes();
    }

    private static float[][] Train(ArtifactSet artifacts, TensorData[] batch, int steps, out float[] firstGradient)
    {
        using OrtTrainingSession session = new(Material.OrtTrainingLibrary(), artifacts, threads: 1);
        float[][] losses = new float[steps][];
        firstGradient = [];
        for (int step = 0; step < steps; step++)
        {
            float[][] outputs = session.TrainStep(batch);
            losses[step] = outputs[0];
            firstGradient = step == 0 ? [.. outputs[2], .. outputs[3]] : firstGradient;
            session.OptimizerStep();
        }
        return losses;
    }

    private void Compare(double[] expected, float[][] losses, string what)
    {
        double largest = 0;
        for (int step = 0; step < expected.Length; step++)
        {
            Assert.AreEqual(expected[step], losses[step][0], LossTolerance, $"{what}, step {step}");
            largest = Math.Max(largest, Math.Abs(expected[step] - losses[step][0]));
        }
        TestContext.WriteLine($"{what}: losses differ by at most {largest:E2} over {expected.Length} steps");
    }

    private static double[] Curve(string file, string name) => [.. JsonDocument.Parse(File.ReadAllBytes(file)).RootElement.GetProperty(name).EnumerateArray().Select(loss => loss.GetDouble())];

    private static float[] Singles(string file, int header = 0) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(file).AsSpan(header)).ToArray();

    private static long[] Longs(string file) => MemoryMarshal.Cast<byte, long>(File.ReadAllBytes(file)).ToArray();
}
