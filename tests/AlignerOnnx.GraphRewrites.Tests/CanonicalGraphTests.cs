using AlignerOnnx.Graph.Text;

namespace AlignerOnnx.GraphRewrites.Tests;

/// <summary>What rule tests take for the same graph, and what not.</summary>
[TestClass]
public sealed class CanonicalGraphTests
{
    private const string Graph = """
        g (float[2] x, float[2] w) => (float[2] y) <float[2] c = {1, 2}>
        {
            t = Sub (x, c)
            u = com.microsoft.FusedMatMul <transB = 1> (t, w)
            y = Mul (u, t)
        }
        """;

    [TestMethod]
    [DataRow("u = com", "[named] u = com", DisplayName = "names of nodes")]
    [DataRow("transB = 1", "transB = 1, alpha = 1.0, transA = 0", DisplayName = "stated defaults")]
    [DataRow("y = Mul (u, t)", "again = Sub (x, c) y = Mul (u, again)", DisplayName = "equal nodes")]
    [DataRow("y = Mul (u, t)", "unused = Neg (u) y = Mul (u, t)", DisplayName = "unused nodes")]
    [DataRow("float[2] c = {1, 2}", "float[2] d = {9, 9}, float[2] c = {1, 2}, float[2] t", DisplayName = "unused constants, types of inner values")]
    public void Of_GraphsThatComputeAlike_IsTheSame(string part, string replacement) =>
        Assert.AreEqual(CanonicalGraph.Of(OnnxText.Load(Graph)), CanonicalGraph.Of(OnnxText.Load(Graph.With(part, replacement))));

    [TestMethod]
    [DataRow("Sub (x, c)", "Sub (c, x)")]
    [DataRow("{1, 2}", "{1, -2}")]
    [DataRow("transB = 1", "transB = 1, alpha = 0.5")]
    [DataRow("transB = 1", "transA = 1")]
    [DataRow("com.microsoft.FusedMatMul", "other.FusedMatMul")]
    [DataRow("Mul (u, t)", "Mul (u, u)")]
    [DataRow("(float[2] x, float[2] w)", "(float[2] x, float[2] w = {0, 0})")]
    [DataRow("(float[2] y)", "(float[3] y)")]
    public void Of_GraphsThatDiffer_Differs(string part, string replacement) =>
        Assert.AreNotEqual(CanonicalGraph.Of(OnnxText.Load(Graph)), CanonicalGraph.Of(OnnxText.Load(Graph.With(part, replacement))));
}
