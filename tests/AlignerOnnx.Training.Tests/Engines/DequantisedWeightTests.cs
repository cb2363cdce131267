using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.Engines;

/// <summary>A model whose int4 weights stand behind DequantizeLinear is trained with float32 activations, also in the layers below the first adapted one, where ONNX Runtime fuses the two and, prepacked, would round.</summary>
[TestClass]
public sealed class DequantisedWeightTests
{
    private const int LastLayer = 3;

    private static readonly int[] Ids = [.. Enumerable.Range(0, 16).Select(i => 3 + (i * 37 % 90))];

    [TestMethod]
    public void Loss_IsThatOfTheDecodersOwnLogits()
    {
        string folder = Material.Shared("exports", "builder-0.18", "llama3-int4-qdq-cpu");
        OnnxModel model = ModelLoader.Load(folder);
        using OnnxRuntimeEngine engine = new(TrainingGraph.Build(model, TrainingGraphKind.Gradient, LastLayer, tokens: 1).ToBytes(), folder, options: new OnnxRuntimeEngineOptions { Prepack = true });
        AdapterShape shape = new(1, 64, 1, 4);
        double loss = engine.ComputeGradients(TrainingBatch.Create([new TrainingExample(Ids, Ids)]), new AdapterParameters(shape, new float[shape.TokenValues], new float[shape.GateValues])).Loss;
        using DecoderSession decoder = new(model, floatActivations: true);
        using DecoderSession.Step step = decoder.Run(Array.ConvertAll(Ids, id => (long)id), batch: 1);
        // With activations rounded to int8 the loss is another by 2e-3.
        Assert.AreEqual(CrossEntropy(step.Logits), loss, 1e-5);
    }

    /// <summary>The mean over all positions but the last of -log of the probability that the next id has.</summary>
    private static double CrossEntropy(float[] logits) => logits.Chunk(logits.Length / Ids.Length).Zip(Ids.Skip(1), (row, next) => Math.Log(row.Sum(logit => Math.Exp(logit))) - row[next]).Average();
}
