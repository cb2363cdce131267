using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Decoding;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>What becomes of whole decoders.</summary>
[TestClass]
public sealed class DecodingRewriteTests
{
    private static readonly string[] Replaced = ["GroupQueryAttention", "MatMulNBits"];

    [TestMethod]
    [DataRow("model-int4")]
    [DataRow("model-fp32")]
    public void TheEmbeddedModel_WithKernels_TakesTokensOfAnyRows(string folder)
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket(folder));
        DecodingRewrite made = Apply(model, kernels: true);
        Assert.AreEqual(new DecodingRewrite(IsFlat: true, LastOnly: false), made);
        Assert.IsFalse(model.Graph.Nodes.Any(node => Replaced.Contains(node.OpType)), "an operator of ONNX Runtime is left");
        CollectionAssert.IsSubsetOf(new[] { "input_ids", FlatTokens.Positions, FlatTokens.Rows, FlatTokens.Answers }, model.Graph.Inputs.Select(input => input.Name).ToArray());
        Assert.IsFalse(model.Graph.Inputs.Any(input => input.Name == "attention_mask"));
    }

    [TestMethod]
    public void TheEmbeddedModel_WithoutKernels_KeepsItsOperators()
    {
        OnnxModel model = ModelLoader.Load(Material.Pocket());
        Assert.AreEqual(new DecodingRewrite(IsFlat: false, LastOnly: true), Apply(model, kernels: false));
        Assert.IsTrue(Replaced.All(op => model.Graph.Nodes.Any(node => node.OpType == op)));
    }

    [TestMethod]
    public void SmolLm2_WithKernels_TakesTokensOfAnyRows() =>
        Assert.IsTrue(Apply(ModelLoader.Load(Material.Shared("models", "smollm2-135m-instruct-int4")), kernels: true).IsFlat);

    private static DecodingRewrite Apply(OnnxModel model, bool kernels) =>
        DecodingRewrite.Apply(model, RecognisedModel.Of(model).RequireSites()[0].HeadSize, kernels, mayBeFlat: true);
}
