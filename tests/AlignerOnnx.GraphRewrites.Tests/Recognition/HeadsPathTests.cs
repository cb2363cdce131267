using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Recognition.Paths;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>The way from an operand of an attention core back to its projection, q: what is noted of it, and what stops it. q has 16 elements: 4 heads of 4.</summary>
[TestClass]
public sealed class HeadsPathTests
{
    [TestMethod]
    public void AProjectionItself_HasNothingOnTheWay()
    {
        HeadsPath path = Found("y = Identity (q)");
        Assert.AreEqual((0L, 16L, 0, 0L, 1.0, DataType.Undefined), (path.Slice.First, path.Slice.Count, path.Swaps, path.HeadSize, path.Factor, path.Type));
        Assert.AreEqual((false, false, null, null, null), (path.IsRotated, path.IsRepeated, path.RotaryNode, path.Normalization, path.Slice.LateBias));
    }

    [TestMethod]
    [DataRow("y = Reshape (q, {0, 0, 4, 4})", 4L)]
    [DataRow("y = Reshape (q, {0, 0, 8, 2})", 2L)]
    [DataRow("r = Reshape (q, {0, 0, 8, 2}) y = Reshape (r, {0, 0, 4, 4})", 4L)] // the one nearest to the core
    [DataRow("y = Reshape (q, {-1, 4})", 0L)] // rows, not heads
    [DataRow("y = Reshape (q, {0, 0, -1})", 0L)]
    [DataRow("s = Concat <axis = 0> (size, size, {4}, {4}) y = Reshape (q, s)", 4L)]
    [DataRow("s = Concat <axis = 0> (size, {4}, {4}) y = Reshape (q, s)", 0L)]
    [DataRow("s = Concat <axis = 0> (size, size, {4}, size) y = Reshape (q, s)", 0L)]
    public void HeadSize_IsWhatAReshapeToHeadsSays(string nodes, long size) => Assert.AreEqual(size, Found(nodes).HeadSize);

    [TestMethod]
    [DataRow("y = Transpose <perm = [0, 2, 1, 3]> (q)", 1)]
    [DataRow("y = Transpose <perm = [0, 2, 1, 3, 4]> (q)", 1)]
    [DataRow("t = Transpose <perm = [0, 2, 1, 3]> (q) y = Transpose <perm = [0, 2, 1, 3]> (t)", 2)]
    [DataRow("s = Squeeze (q, {0}) u = Unsqueeze (s, {0}) d = Dropout (u) y = Identity (d)", 0)]
    public void Swaps_AreCounted(string nodes, int swaps) => Assert.AreEqual(swaps, Found(nodes).Swaps);

    [TestMethod]
    [DataRow("y = Cast <to = 10> (q)", DataType.Float16)]
    [DataRow("c = Cast <to = 1> (q) y = Cast <to = 10> (c)", DataType.Float16)]
    public void Type_IsThatOfTheNearestCast(string nodes, DataType type) => Assert.AreEqual(type, Found(nodes).Type);

    [TestMethod]
    [DataRow("y = Mul (q, two)", 2.0)]
    [DataRow("y = Mul (two, q)", 2.0)]
    [DataRow("y = Div (q, two)", 0.5)]
    [DataRow("m = Mul (q, two) d = Div (m, four) y = Mul (d, four)", 2.0)]
    [DataRow("s = Sqrt (number) y = Mul (q, s)", double.NaN)] // PyTorch's square root of the standard scale
    [DataRow("s = Sqrt (number) y = Mul (s, q)", double.NaN)]
    [DataRow("s = Sqrt (number) y = Div (q, s)", double.NaN)]
    public void Factor_IsWhatHeadsAreMultipliedWith(string nodes, double factor) => Assert.AreEqual(factor, Found(nodes).Factor);

    [TestMethod]
    [DataRow("[turn] y = com.microsoft.RotaryEmbedding (q, number, cos, cos)", "turn")]
    [DataRow("[turn] y = RotaryEmbedding (q, cos, cos)", "turn")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (q, cos) s = Mul (r, cos) y = Add (c, s)", null)]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (q, cos) s = Mul (cos, r) y = Add (s, c)", null)]
    [DataRow("a = Slice (q, {0}, {8}, {-1}) b = Slice (q, {8}, {16}, {-1}) n = Neg (b) r = Concat <axis = -1> (n, a) f = Reshape (r, {0, 0, 16}) c = Mul (q, cos) s = Mul (f, cos) y = Add (c, s)", null)]
    [DataRow("a = Slice (q, {0}, {8}, {-1}) b = Slice (q, {8}, {16}, {-1}) n = Neg (b) nu = Unsqueeze (n, {-1}) au = Unsqueeze (a, {-1}) r = Concat <axis = -1> (nu, au) f = Reshape (r, {0, 0, 16}) c = Mul (q, cos) s = Mul (f, cos) y = Add (c, s)", null)]
    public void Rotations_AreOneOperatorOrElementaryOnes(string nodes, string? node)
    {
        HeadsPath path = Found(nodes);
        Assert.AreEqual((true, node), (path.IsRotated, path.RotaryNode?.Name));
    }

    [TestMethod]
    [DataRow("y = SimplifiedLayerNormalization <epsilon = 0.5> (q, gain)", 0.5f)]
    [DataRow("y = RMSNormalization (q, gain)", 0.00001f)]
    [DataRow("n = SimplifiedLayerNormalization <epsilon = 0.5> (q, ones) y = Mul (n, gain)", 0.5f)]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", 0.25f)]
    [DataRow("sq = Pow (q, {2}) m = ReduceMean (sq) e = Add (eps, m) r = Sqrt (e) n = Div (q, r) y = Mul (gain, n)", 0.25f)]
    [DataRow("sq = Mul (q, q) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) i = Reciprocal (r) n = Mul (q, i) y = Mul (n, gain)", 0.25f)]
    [DataRow("f = Cast <to = 1> (q) sq = Mul (f, f) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) i = Div (one, r) n = Mul (i, f) c = Cast <to = 1> (n) y = Mul (c, gain)", 0.25f)]
    public void Normalizations_AreOneOperatorOrElementaryOnes(string nodes, float epsilon)
    {
        HeadsPath path = Found(nodes);
        Assert.AreEqual(("gain", epsilon), (path.Normalization?.Weight.Name, path.Normalization?.Epsilon));
    }

    /// <summary>What looks like a root-mean-square normalization, and is none.</summary>
    [TestMethod]
    [DataRow("y = SimplifiedLayerNormalization (q, number)", DisplayName = "weights that callers feed")]
    [DataRow("y = SimplifiedLayerNormalization (q, table)", DisplayName = "weights of two dimensions")]
    [DataRow("n = SimplifiedLayerNormalization (q, gain) y = Mul (n, gain)", DisplayName = "weights twice")]
    [DataRow("sq = Pow (q, four) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "the fourth power")]
    [DataRow("sq = Mul (q, gain) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "no square")]
    [DataRow("o = Neg (q) sq = Pow (o, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "the mean of something else")]
    [DataRow("sq = Pow (q, two) m = ReduceMax (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "the largest")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, number) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "an epsilon that is not fixed")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Sub (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "an epsilon that is taken off")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Exp (e) n = Div (q, r) y = Mul (n, gain)", DisplayName = "no root")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Mul (q, r) y = Mul (n, gain)", DisplayName = "multiplied with the root")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) i = Div (two, r) n = Mul (q, i) y = Mul (n, gain)", DisplayName = "twice the reciprocal")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (r, q) y = Mul (n, gain)", DisplayName = "the quotient the other way round")]
    [DataRow("sq = Pow (q, two) m = ReduceMean (sq) e = Add (m, eps) r = Sqrt (e) n = Div (q, r) y = Mul (n, number)", DisplayName = "a factor in place of the weights")]
    public void OtherNormalizations_StopTheWay(string nodes) => Assert.IsFalse(HeadsPath.To(Y(nodes)).Success);

    [TestMethod]
    [DataRow("y, b = Split <axis = -1> (q, {12, 4})", 0L, 12L)]
    [DataRow("a, y = Split <axis = 2> (q, {12, 4})", 12L, 4L)]
    [DataRow("a, y, c = Split <axis = -1> (q, {4, 8, 4})", 4L, 8L)]
    [DataRow("a, b, c, y = Split <axis = -1> (q)", 12L, 4L)]
    [DataRow("y = Slice (q, {4}, {12}, {-1})", 4L, 8L)]
    [DataRow("y = Slice (q, {4}, {12}, {2}, {1})", 4L, 8L)]
    [DataRow("y = Slice (q, {-4}, {99}, {-1})", 12L, 4L)]
    [DataRow("y = Slice (q, {0}, {-4}, {-1})", 0L, 12L)]
    [DataRow("a, b = Split <axis = -1> (q, {4, 12}) c, y = Split <axis = -1> (b, {8, 4})", 12L, 4L)]
    [DataRow("a, b = Split <axis = -1> (q, {4, 12}) y, c = Split <axis = -1> (b, {8, 4})", 4L, 8L)]
    public void Parts_OfAPackedProjection(string nodes, long first, long count)
    {
        HeadsPath path = Found(nodes);
        Assert.AreEqual((first, count), (path.Slice.First, path.Slice.Count));
    }

    [TestMethod]
    [DataRow("y = Add (b, eight)")]
    [DataRow("y = Add (eight, b)")]
    [DataRow("s = Add (b, eight) y = RotaryEmbedding (s, cos, cos)")]
    [DataRow("s = Add (b, eight) m = Mul (s, two) y = Reshape (m, {0, 0, 2, 4})")]
    public void ABias_MayBeAddedToThePart(string nodes)
    {
        BiasPart? bias = Found($"a, b = Split <axis = -1> (q, {{8, 8}}) {nodes}").Slice.LateBias;
        Assert.AreEqual(("eight", 0L), (bias?.Vector.Name, bias?.First));
    }

    [TestMethod]
    [DataRow("u = Unsqueeze (q, {2}) y = Expand (u, {1, 1, 2, 1, 1})")]
    [DataRow("u = Unsqueeze (q, {-3}) y = Tile (u, {1, 1, 2, 1, 1})")]
    public void Heads_MayBeRepeatedSideBySide(string nodes) => Assert.IsTrue(Found(nodes).IsRepeated);

    [TestMethod]
    [DataRow("y = Concat <axis = 2> (past, q)", "past")]
    [DataRow("h = Cast <to = 1> (past) y = Concat <axis = 2> (h, q)", null)]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (q, cos) s = Mul (r, cos) turned = Add (c, s) y = Concat <axis = 2> (past, turned)", "past")]
    [DataRow("h = Transpose <perm = [0, 2, 1, 3]> (past) s = Slice (h, {0}, {2}) y = Concat <axis = 2> (s, q)", null)]
    [DataRow("y = Concat <axis = 2> (table, q)", null)] // tokens that the model always has before others
    [DataRow("y = Concat <axis = 2> (past, past, q)", null)]
    [DataRow("n = Concat <axis = 2> (past, q) y = Concat <axis = 2> (past2, n)", "past2")]
    public void HeadsOfTheCache_MayStandBefore(string nodes, string? past)
    {
        HeadsPath path = Found(nodes);
        Assert.AreEqual(past, path.Cache?.Past.Name);
        Assert.AreEqual(past is null ? null : "y", path.Cache?.Present.Name);
        Assert.AreEqual(16L, path.Slice.Count);
    }

    [TestMethod]
    [DataRow("[t] y = Transpose <perm = [0, 1, 3, 2]> (q)", "a Transpose by [0,1,3,2] arranges heads in another order", "Transpose 't'")]
    [DataRow("[t] y = Transpose (q)", "a Transpose by [] arranges heads in another order", "Transpose 't'")]
    [DataRow("[t] y = Identity ()", "an input is absent", "Identity 't'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) [first] s = Add (b, eight) y = Add (s, eight)", "the projection has two biases", "Add 'first'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) [turn] r = RotaryEmbedding (b, cos, cos) y = Add (r, eight)", "a bias is added after the rotary embedding", "RotaryEmbedding 'turn'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) [norm] r = RMSNormalization (b, gain) y = Add (r, eight)", "a bias is added after the normalization", "RMSNormalization 'norm'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) y = Add (b, gain)", "a bias of 4 elements is added to 8", "gain")]
    [DataRow("[inner] r = RotaryEmbedding (q, cos, cos) y = RotaryEmbedding (r, cos, cos)", "it is rotated twice", "RotaryEmbedding 'inner'")]
    [DataRow("[inner] r = RMSNormalization (q, gain) y = RMSNormalization (r, gain)", "it is normalised twice", "RMSNormalization 'inner'")]
    [DataRow("[times] m = Mul (q, two) y = RMSNormalization (m, gain)", "it is multiplied before its normalization or bias", "Mul 'times'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) [times] m = Mul (b, two) y = Add (m, eight)", "it is multiplied before its normalization or bias", "Mul 'times'")]
    [DataRow("[times] y = Mul (q, number)", "Mul is not a projection", "Mul 'times'")]
    [DataRow("[over] y = Div (two, q)", "Div is not a projection", "Div 'over'")]
    [DataRow("[repeat] y = Expand (q, {1, 2, 1})", "key/value heads are repeated in another order than side by side", "Expand 'repeat'")]
    [DataRow("u = Unsqueeze (q, {1}) [repeat] y = Expand (u, {1, 2, 1, 1})", "key/value heads are repeated in another order than side by side", "Expand 'repeat'")]
    [DataRow("u = Squeeze (q, {2}) [repeat] y = Tile (u, {1, 2, 1, 1})", "key/value heads are repeated in another order than side by side", "Tile 'repeat'")]
    [DataRow("[join] y = Concat <axis = 2> (q)", "a Concat of one part", "Concat 'join'")]
    [DataRow("n = Neg (past) [join] y = Concat <axis = 2> (n, q)", "heads are joined with others than those of the cache", "Concat 'join'")]
    [DataRow("[join] y = Concat <axis = 2> (past, q, q)", "heads are joined with others than those of the cache", "Concat 'join'")]
    // The rotated part of a head, and what is not rotated: Phi's partial rotary embedding, which operators alone do not tell from a part of a packed projection.
    [DataRow("part, rest = Split <axis = -1> (q, {8, 8}) rot = Transpose <perm = [0, 2, 1, 3]> (part) a, b = Split <axis = -1> (rot, {4, 4}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (rot, cos) s = Mul (r, cos) turned = Add (c, s) [join] y = Concat <axis = -1> (turned, rest)", "a part of each head is rotated, and sizes do not follow from the graph", "Concat 'join'")]
    [DataRow("[cut] a, y = Split <axis = 1> (q, {1, 1})", "the packed projection is split along another axis than the last", "Split 'cut'")]
    [DataRow("[cut] a, y = Split (q, {1, 1})", "the packed projection is split along another axis than the last", "Split 'cut'")]
    [DataRow("[cut] a, y = Split <axis = -1> (q, size)", "the parts of the packed projection have no constant sizes", "Split 'cut'")]
    [DataRow("[cut] a, y = Split <axis = -1> (q, {16})", "the parts of the packed projection have no constant sizes", "Split 'cut'")]
    [DataRow("[cut] a, y = Split <axis = -1> (q, {20, -4})", "the parts of the packed projection have no constant sizes", "Split 'cut'")]
    [DataRow("[cut] a, b, y = Split <axis = -1> (q)", "the parts of the packed projection have no constant sizes", "Split 'cut'")]
    [DataRow("[cut] a, y = Split <axis = -1> (q, {16, 0})", "elements 16 to 15 are no part of the packed projection", "Split 'cut'")]
    [DataRow("[cut] a, b = Split <axis = -1> (q, {8, 8}) c, y = Split <axis = -1> (b, {4, 12})", "elements 8 to 15 are no part of the packed projection", "Split 'cut'")]
    [DataRow("a, y = Split <axis = -1> (q, {8, 12})", "elements 8 to 19 lie outside the packed projection of 16", "MatMul 'q'")]
    [DataRow("[cut] y = Slice (q, size, {12}, {-1})", "the part of the packed projection has no constant bounds", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {4}, size, {-1})", "the part of the packed projection has no constant bounds", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {4}, {12}, {-1}, {2})", "the part of the packed projection has no constant bounds", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (past, {4}, {12}, {-1})", "the part of the packed projection has no constant bounds", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {4}, {12}, {1})", "the packed projection is cut along another axis than the last", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {4}, {12})", "the packed projection is cut along another axis than the last", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {4}, {4}, {-1})", "elements 4 to 3 are no part of the packed projection", "Slice 'cut'")]
    [DataRow("[cut] y = Slice (q, {-20}, {4}, {-1})", "elements -4 to 3 are no part of the packed projection", "Slice 'cut'")]
    [DataRow("[s] y = Sigmoid (q)", "Sigmoid is not a projection (MatMul, Gemm, MatMulNBits)", "Sigmoid 's'")]
    // Half a rotation: nothing is negated, or the halves are not those of what is multiplied with the cosines.
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) r = Concat <axis = -1> (b, a) c = Mul (q, cos) s = Mul (r, cos) [sum] y = Add (c, s)", "the value is a sum, not the output of a projection", "Add 'sum'")]
    [DataRow("o = Neg (q) a, b = Split <axis = -1> (o, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, past) c = Mul (q, cos) s = Mul (r, cos) [sum] y = Add (c, s)", "the value is a sum, not the output of a projection", "Add 'sum'")]
    [DataRow("a, b = Split <axis = -1> (past, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Mul (q, cos) s = Mul (r, cos) [sum] y = Add (c, s)", "the value is a sum, not the output of a projection", "Add 'sum'")]
    [DataRow("a, b = Split <axis = -1> (q, {8, 8}) n = Neg (b) r = Concat <axis = -1> (n, a) c = Add (q, cos) s = Mul (r, cos) [sum] y = Add (c, s)", "the value is a sum, not the output of a projection", "Add 'sum'")]
    public void WhatStopsTheWay_IsNamed(string nodes, string reason, string culprit)
    {
        Match<HeadsPath> path = HeadsPath.To(Y(nodes));
        Assert.AreEqual((reason, culprit), (path.Reason, path.Culprit));
    }

    /// <summary>No exporter writes so many operators between a projection and its core.</summary>
    [TestMethod]
    [DataRow(63, true)]
    [DataRow(64, false)]
    public void TheWay_HasAnEnd(int steps, bool isFound)
    {
        string chain = string.Concat(Enumerable.Range(0, steps).Select(i => $"i{i + 1} = Cast <to = 1> ({(i == 0 ? "q" : $"i{i}")}) "));
        Assert.AreEqual(isFound, HeadsPath.To(Y(chain + $"y = Identity (i{steps})").Producer!.Input(0)!).Success);
    }

    private static HeadsPath Found(string nodes)
    {
        Match<HeadsPath> path = HeadsPath.To(Y(nodes));
        return path.Found ?? throw new AssertFailedException($"{path.Reason}: {path.Culprit}");
    }

    private static Value Y(string nodes) => OnnxText.Load($$"""
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        g (float[b, s, 8] x, float[b, 4, past, 4] past, float[b, 4, past, 4] past2, int64[1] size, float number) => (float[] out)
            <float[8, 16] w = ["location": "w"], float two = {2}, float four = {4}, float one = {1}, float eps = {0.25}, float[4] gain = {1, 2, 3, 4}, float[4] ones = {1, 1, 1, 1}, float[8] eight = {1, 1, 1, 1, 1, 1, 1, 1},
             float[9, 2] cos = ["location": "c"], float[1, 4, 2, 4] table = ["location": "t"]>
        { [q] q = MatMul (x, w) {{nodes}} out = Identity (y) }
        """.WithLists()).Graph.Find("y")!;
}
