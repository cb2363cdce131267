using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>Operator by operator: the gradient that ONNX Runtime's own gradient builder wrote, run by the native library, against this project's rule, run by plain ONNX Runtime.</summary>
[TestClass]
public sealed class OfficialGradientTests
{
    /// <summary>Recorded operators that no graph of this project differentiates: its loss is of its own.</summary>
    private static readonly string[] WithoutRule = ["SCELoss"];

    /// <summary>Its recorded gradient has the shape [2, 0]: the builder lost the second output, which the loss does not read.</summary>
    private const string Damaged = "Split";

    public static IEnumerable<object[]> Operators => Material.HasShared
        ? Directory.GetFiles(Material.Shared("golden", "training", "ops"), "*.train.onnx").Select(file => new object[] { Path.GetFileName(file)[..^".train.onnx".Length] }).OrderBy(name => name[0])
        : [["(none)"]];

    [TestMethod]
    [DynamicData(nameof(Operators))]
    public void Gradient_OfTheOfficialBuilder_EqualsTheRule(string name)
    {
        string file = Material.Shared("golden", "training", "ops", $"{name}.train.onnx");
        string library = Material.OrtTrainingLibrary();
        if (name == Damaged)
        {
            Assert.Inconclusive("the recorded gradient is damaged");
        }
        if (WithoutRule.Contains(name))
        {
            Assert.Contains("no gradient rule", Assert.ThrowsExactly<ModelRefusedException>(() => Own(file)).Message);
            return;
        }
        OnnxModel own = Own(file);
        long[] shape = [.. own.Graph.Find("x")!.Type!.TensorType.Shape.Dim.Select(dimension => dimension.DimValue)];
        Random random = new(1);
        float[] x = Numbers(random, shape);
        float[] seed;
        long[] seedShape;
        using (GraphRunner forward = new(Forward(file)))
        {
            (float[] result, seedShape) = forward.RunFirst(("x", x, shape));
            seed = Numbers(random, result.Length);
        }
        using GraphRunner runner = new(own);
        float[] ownGradient = runner.Run(("x", x, shape), ("seed", seed, seedShape))["gradient"];
        Closeness.AssertClose(Official(file, library, x, shape, seed, seedShape), ownGradient, 2e-6, name);
    }

    private static OnnxModel Forward(string file)
    {
        OnnxModel model = ModelLoader.Load(file);
        _ = CutLoss(model.Graph);
        return model;
    }

    private static OnnxModel Own(string file)
    {
        OnnxModel model = ModelLoader.Load(file);
        OpsetLowering.Apply(model, 21);
        Value result = CutLoss(model.Graph);
        TypeProto any = new() { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } };
        Value seed = model.Graph.AddInput("seed", any);
        Value x = model.Graph.Find("x")!;
        GradientContext gradients = Differentiator.Differentiate(model.Graph, result, seed, [x], TrainingRuntime.OnnxRuntimeTraining);
        model.Graph.AddOutput(model.Graph.AddNode("Identity", Domains.Standard, "", [gradients.GradientOf(x)], ["gradient"]).Output, x.Type!);
        model.Graph.RemoveOutput(result);
        return model;
    }

    /// <summary>Leaves the operator alone, with its result as the only output; recorded graphs weigh that result and sum it up.</summary>
    private static Value CutLoss(OnnxGraph graph)
    {
        Value result = graph.Find("yw")!.Producer!.Input(0)!;
        if (result.Producer is { OpType: "ConcatTraining" } training)
        {
            // The builder put its own operator in place of Concat.
            result = graph.AddNode("Concat", Domains.Standard, "", training.Inputs, ["concatenated"], NodeAttributes.Of("axis", training.Attributes.Int("axis", 0))).Output;
        }
        foreach (Value output in graph.Outputs.ToArray())
        {
            graph.RemoveOutput(output);
        }
        graph.AddOutput(result, new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } });
        graph.RemoveUnused();
        foreach (Value input in graph.Inputs.Where(input => input.Name != "x").ToArray())
        {
            graph.RemoveInput(input);
        }
        return result;
    }

    private static float[] Official(string file, string library, float[] x, long[] shape, float[] seed, long[] seedShape)
    {
        ModelProto proto = ModelProto.Parser.ParseFrom(File.ReadAllBytes(file));
        // The recorded weight is 0.5 for every element, which makes the gradient of Softmax zero: give each its own.
        TensorProto weight = proto.Graph.Initializer.Single(tensor => tensor.Name == "w_out");
        proto.Graph.Initializer[proto.Graph.Initializer.IndexOf(weight)] = Tensor.Of("w_out", seed, seedShape);
        NodeProto shown = new() { OpType = "Identity" };
        shown.Input.Add("x_grad");
        shown.Output.Add("shown");
        proto.Graph.Node.Add(shown);
        proto.Graph.Output.Add(new ValueInfoProto { Name = "shown", Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float } } });
        OrtCheckpointWriter writer = new();
        byte[] checkpoint = writer.Finish(writer.ModuleState(writer.Tensor("x", x, shape)), group: null, writer.PropertyBag());
        using OrtTrainingSession session = new(library, new ArtifactSet(proto.ToByteArray(), [], OptimizerModelGraph.Build(new ArtifactOptions()).ToByteArray(), checkpoint, Path.GetDirectoryName(file)!), threads: 1);
        return session.TrainStep()[1];
    }

    /// <summary>Between 0.3 and 1.5: no operator here has a corner there.</summary>
    private static float[] Numbers(Random random, params ReadOnlySpan<long> shape)
    {
        float[] numbers = new float[checked((int)System.Numerics.Tensors.TensorPrimitives.Product(shape))];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = 0.3f + (1.2f * random.NextSingle());
        }
        return numbers;
    }
}
