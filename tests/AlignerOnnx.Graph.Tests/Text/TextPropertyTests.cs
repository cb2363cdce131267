using AlignerOnnx.Graph.Text;
using CsCheck;
using Onnx;

namespace AlignerOnnx.Graph.Tests.Text;

/// <summary>Properties on random models and random text; a failure prints the seed that repeats it.</summary>
[TestClass]
public sealed class TextPropertyTests
{
    [TestMethod]
    public void PrintThenParse_OfRandomModels_GivesTheSameModelAndTheSameText() => RandomModels.Model.Sample(
        model =>
        {
            string text = OnnxText.Print(model);
            ModelProto read = OnnxText.Parse(text);
            Assert.AreEqual(SyntaxEquality.Normalise(model), SyntaxEquality.Normalise(read));
            Assert.AreEqual(text, OnnxText.Print(read));
        },
        iter: 2_000);

    [TestMethod]
    public void Parse_OfDamagedText_GivesAModelOrARefusal() => Gen.Select(RandomModels.Model, Gen.Int[0, int.MaxValue], Gen.Int[0, 12], Gen.String[Gen.Char["<>()[]{}=:,.@#\"\\ \n-0e9aNf_?"], 0, 4]).Sample(
        (model, place, removed, inserted) =>
        {
            string text = OnnxText.Print(model);
            int start = place % (text.Length + 1);
            string damaged = text.Remove(start, Math.Min(removed, text.Length - start)).Insert(start, inserted);
            try
            {
                OnnxText.Parse(damaged);
            }
            catch (ModelRefusedException refusal)
            {
                StringAssert.StartsWith(refusal.Where, "line ");
            }
        },
        iter: 5_000);
}
