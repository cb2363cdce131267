using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using static AlignerOnnx.GraphRewrites.Tests.Rules.BackwardPass;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>
/// Each gradient rule, before and after. "dy" is the gradient of y; "gx" that of x by the rules of calculus: for y = f(x), dx = f'(x) dy. That the formulas are
/// right in numbers, OperatorGradientTests shows.
/// </summary>
[TestClass]
public sealed class GradientRuleTests
{
    private const string Square = "N = 16, K = 16, bits = 4, block_size = 16";
    private const string Gathered = "gather_axis = 0, quantize_axis = 1, block_size = 16, bits = 4";
    private const string Rows = "int64[16] rows = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}";

    [TestMethod]
    public void Add() => Gradient("float[2, 3] x, float[2, 3] w", "y = Add (x, w)", "x: dy, w: dy");

    [TestMethod]
    public void Add_OfAnOperandThatIsRepeated() => Gradient("float[2, 1, 4] x, float[2, 3, 4] w", "y = Add (x, w)", "x, w: dy", "gx = ReduceSum (dy, axes)", "int64[1] axes = {-2}");

    [TestMethod]
    public void Add_OfAnOperandOfFewerDimensions() => Gradient("float[3] x, float[2, 3] w", "y = Add (x, w)", "x, w: dy", ReducedToShapeOf("x", "dy"), "int64[1] zero = {0}");

    [TestMethod]
    public void Add_OfAnOperandOfUnknownShape() => Gradient("float[] x, float[2, 3] w", "y = Add (x, w)", "x", ReducedToShapeOf("x", "dy"), "int64[1] zero = {0}");

    [TestMethod]
    public void Add_OfAConstantVector_LeavesTheShape() => Gradient("float[] x", "y = Add (x, bias)", "x: dy", "", "float[2] bias = {1, 2}");

    [TestMethod]
    public void Add_OfAConstantOfMoreDimensions_SumsOverTheOnesInFront() => Gradient("float[2, 3] x", "y = Add (x, many)", "x", ReducedToShapeOf("x", "dy"), "float[2, 1, 3] many = {1, 2, 3, 4, 5, 6}, int64[1] zero = {0}");

    // A sum that keeps its axis has size 1 there, and what is computed from it alone or with a scalar: no shape is asked for when the program runs.
    [TestMethod]
    [DataRow("Identity (r)", "gr = Identity (gs)", "gs")]
    [DataRow("Neg (r)", "gr = Neg (gs)")]
    [DataRow("Exp (r)", "gr = Mul (gs, s)")]
    [DataRow("Sqrt (r)", "twice = Add (s, s) gr = Div (gs, twice)")]
    [DataRow("Reciprocal (r)", "square = Mul (s, s) slope = Mul (gs, square) gr = Neg (slope)")]
    [DataRow("Cast <to = 1> (r)", "gr = CastLike (gs, r)")]
    [DataRow("Add (r, two)", "gr = ReduceSum (gs, last)")]
    [DataRow("Mul (two, r)", "part = Mul (gs, two) gr = ReduceSum (part, last)")]
    [DataRow("Div (r, two)", "part = Div (gs, two) gr = ReduceSum (part, last)")]
    [DataRow("Pow (r, two)", "c = CastLike (two, r) slope = Mul (r, c) gr = Mul (gs, slope)")]
    public void Mul_OfWhatIsMadeOfASumAlongAnAxis(string made, string backward, string gradient = "gr") => Gradient("float[] x, float[] w", $"r = ReduceSum (x, last) s = {made} y = Mul (w, s)", "x",
        $"repeated = Mul (dy, w) gs = ReduceSum (repeated, last) {backward} shape = Shape (x) gx = Expand ({gradient}, shape)", "int64[1] last = {-1}, float two = {2}");

    // The sum of two values that are not scalars may be larger than either.
    [TestMethod]
    public void Mul_OfASumWithAnotherValue_AsksForTheShape() => Gradient("float[] x, float[] v, float[] w", "r = ReduceSum (x, last) s = Add (r, v) y = Mul (w, s)", "x",
        $"repeated = Mul (dy, w) {ReducedToShapeOf("s", "repeated")} gr = ReduceSum (gs, last) shape = Shape (x) gx = Expand (gr, shape)", "int64[1] last = {-1}, int64[1] zero = {0}");

    [TestMethod]
    public void Mul_OfASumThatDropsItsAxis_AsksForTheShape() => Gradient("float[] x, float[] w", "r = ReduceSum <keepdims = 0> (x, last) y = Mul (w, r)", "x",
        $"repeated = Mul (dy, w) {ReducedToShapeOf("r", "repeated")} kept = Unsqueeze (gr, last) shape = Shape (x) gx = Expand (kept, shape)", "int64[1] last = {-1}, int64[1] zero = {0}");

    // How far back a size is looked for: five operators.
    [TestMethod]
    public void Mul_OfASumFarBefore_IsReducedAlongItsAxis() => Gradient("float[] x, float[] w", "r = ReduceSum (x, last) a = Neg (r) b = Neg (a) c = Neg (b) d = Neg (c) e = Neg (d) y = Mul (w, e)", "x",
        "repeated = Mul (dy, w) ge = ReduceSum (repeated, last) gd = Neg (ge) gc = Neg (gd) gb = Neg (gc) ga = Neg (gb) gr = Neg (ga) shape = Shape (x) gx = Expand (gr, shape)", "int64[1] last = {-1}");

    [TestMethod]
    public void Mul_OfASumStillFartherBefore_AsksForTheShape() => Gradient("float[] x, float[] w", "r = ReduceSum (x, last) z = Neg (r) a = Neg (z) b = Neg (a) c = Neg (b) d = Neg (c) e = Neg (d) y = Mul (w, e)", "x",
        $"repeated = Mul (dy, w) {ReducedToShapeOf("e", "repeated")} gd = Neg (ge) gc = Neg (gd) gb = Neg (gc) ga = Neg (gb) gz = Neg (ga) gr = Neg (gz) shape = Shape (x) gx = Expand (gr, shape)",
        "int64[1] last = {-1}, int64[1] zero = {0}");

    [TestMethod]
    public void Sub() => Gradient("float[2] x, float[2] w", "y = Sub (x, w)", "x: dy, w", "gw = Neg (dy)");

    [TestMethod]
    public void Mul() => Gradient("float[2] x, float[2] w", "y = Mul (x, w)", "x, w", "gx = Mul (dy, w) gw = Mul (dy, x)");

    [TestMethod]
    public void Div() => Gradient("float[2] x, float[2] w", "y = Div (x, w)", "x, w", "gx = Div (dy, w) t = Mul (gx, y) gw = Neg (t)");

    [TestMethod]
    public void Neg() => Gradient("float[2] x", "y = Neg (x)", "x", "gx = Neg (dy)");

    [TestMethod]
    public void Pow_Square() => Gradient("float[2] x", "y = Pow (x, two)", "x", "c = CastLike (two, x) slope = Mul (x, c) gx = Mul (dy, slope)", "float two = {2}");

    [TestMethod]
    public void Pow() => Gradient("float[2] x", "y = Pow (x, three)", "x", "c = CastLike (three, x) less = Sub (c, one) lower = Pow (x, less) slope = Mul (lower, c) gx = Mul (dy, slope)",
        "float three = {3}, float one = {1}");

    [TestMethod]
    public void Sqrt() => Gradient("float[2] x", "y = Sqrt (x)", "x", "twice = Add (y, y) gx = Div (dy, twice)");

    [TestMethod]
    public void Reciprocal() => Gradient("float[2] x", "y = Reciprocal (x)", "x", "square = Mul (y, y) t = Mul (dy, square) gx = Neg (t)");

    [TestMethod]
    public void Exp() => Gradient("float[2] x", "y = Exp (x)", "x", "gx = Mul (dy, y)");

    [TestMethod]
    public void Where() => Gradient("bool[2] c, float[2] x, float[2] w", "y = Where (c, x, w)", "x, w", "gx = Where (c, dy, zero) gw = Where (c, zero, dy)", "float zero = {0}");

    [TestMethod]
    public void Cast() => Gradient("float16[2] x", "y = Cast <to = 1> (x)", "x", "gx = CastLike (dy, x)");

    [TestMethod]
    public void Identity() => Gradient("float[2] x", "y = Identity (x)", "x: dy");

    [TestMethod]
    public void Sigmoid() => Gradient("float[2] x", "y = Sigmoid (x)", "x", "rest = Sub (one, y) slope = Mul (y, rest) gx = Mul (dy, slope)", "float one = {1}");

    [TestMethod]
    public void Tanh() => Gradient("float[2] x", "y = Tanh (x)", "x", "square = Mul (y, y) slope = Sub (one, square) gx = Mul (dy, slope)", "float one = {1}");

    // y = x s(a x), s' = s (1 - s): y' = s + x a s (1 - s) = s + a y (1 - s).
    [TestMethod]
    public void QuickGelu() => Gradient("float[2] x", "y = com.microsoft.QuickGelu <alpha = 1.5> (x)", "x",
        "ax = Mul (x, a) s = Sigmoid (ax) rest = Sub (one, s) ay = Mul (y, a) bend = Mul (ay, rest) slope = Add (s, bend) gx = Mul (dy, slope)", "float a = {1.5}, float one = {1}");

    [TestMethod]
    public void QuickGelu_OfAlphaOne_IsSiLU() => Gradient("float[2] x", "y = com.microsoft.QuickGelu <alpha = 1.0> (x)", "x",
        "s = Sigmoid (x) rest = Sub (one, s) bend = Mul (y, rest) slope = Add (s, bend) gx = Mul (dy, slope)", "float one = {1}");

    // erf' = 2 / sqrt(pi) e^(-x x).
    [TestMethod]
    public void Erf() => Gradient("float[2] x", "y = Erf (x)", "x", "square = Mul (x, x) negative = Neg (square) bell = Exp (negative) slope = Mul (bell, k) gx = Mul (dy, slope)",
        "float k = {1.1283791670955126}");

    // F(x) + x F'(x), F(x) = (1 + erf(x / sqrt 2)) / 2, F'(x) = e^(-x x / 2) / sqrt(2 pi).
    [TestMethod]
    public void Gelu() => Gradient("float[2] x", "y = Gelu (x)", "x",
        """
        scaled = Mul (x, root_half) erf = Erf (scaled) sum = Add (erf, one) probability = Mul (half, sum)
        square = Mul (x, x) exponent = Mul (square, minus_half) bell = Exp (exponent) x_bell = Mul (x, bell) density = Mul (x_bell, norm)
        slope = Add (probability, density) gx = Mul (dy, slope)
        """,
        "float half = {0.5}, float minus_half = {-0.5}, float one = {1}, float root_half = {0.7071067811865476}, float norm = {0.3989422804014327}");

    // t = tanh(u), u = sqrt(2 / pi) (x + 0.044715 x^3): y = x (1 + t) / 2, y' = (1 + t) / 2 + x (1 - t t) u' / 2.
    [TestMethod]
    public void FastGelu() => Gradient("float[2] x", "y = com.microsoft.FastGelu (x)", "x",
        """
        square = Mul (x, x) cubic = Mul (square, c) inner = Add (cubic, one) x_inner = Mul (x, inner) u = Mul (x_inner, k) t = Tanh (u)
        cubic3 = Mul (square, c3) inner3 = Add (cubic3, one) slope_u = Mul (inner3, k)
        tt = Mul (t, t) rest = Sub (one, tt) x_rest = Mul (x, rest) bend = Mul (x_rest, slope_u)
        t1 = Add (t, one) sum = Add (t1, bend) slope = Mul (half, sum) gx = Mul (dy, slope)
        """,
        "float c = {0.044715}, float c3 = {0.134145}, float k = {0.7978845608028654}, float one = {1}, float half = {0.5}");

    [TestMethod]
    public void Softmax() => Gradient("float[2, 3] x", "y = Softmax <axis = -1> (x)", "x", "weighted = Mul (dy, y) sum = ReduceSum (weighted, last) part = Mul (y, sum) gx = Sub (weighted, part)", "int64[1] last = {-1}");

    // With n = x / rms(x): dx = (w dy - n mean(w dy n)) / rms(x).
    [TestMethod]
    public void SimplifiedLayerNormalization() => Gradient("float[2, 3] x", "y, r = SimplifiedLayerNormalization <epsilon = 0.1> (x, w)", "x",
        "s = Mul (dy, w) n = Mul (x, r) sn = Mul (s, n) mean = ReduceMean (sn, last) part = Mul (n, mean) difference = Sub (s, part) gx = Mul (difference, r)",
        "float[3] w = {1, 2, 3}, int64[1] last = {-1}");

    [TestMethod]
    public void ReduceMean() => Gradient("float[2, 3] x", "y = ReduceMean (x, last)", "x",
        "all = Size (x) some = Size (y) ratio = Div (all, some) count = CastLike (ratio, x) share = Div (dy, count) shape = Shape (x) gx = Expand (share, shape)", "int64[1] last = {-1}");

    [TestMethod]
    public void ReduceSum_ThatDropsItsAxes() => Gradient("float[2, 3] x", "y = ReduceSum <keepdims = 0> (x, last)", "x", "kept = Unsqueeze (dy, last) shape = Shape (x) gx = Expand (kept, shape)", "int64[1] last = {-1}");

    [TestMethod]
    public void MatMul() => Gradient("float[2, 3] x, float[3, 4] w", "y = MatMul (x, w)", "x, w", "gx = com.microsoft.FusedMatMul <transB = 1> (dy, w) gw = com.microsoft.FusedMatMul <transA = 1> (x, dy)");

    // Keys of one head, which all query heads share: their gradients are added.
    [TestMethod]
    public void MatMul_OfKeysThatHeadsShare_SumsOverTheHeads() => Gradient("float[b, 5, 4] x, float[b, 2, 5, 4] q", "k = Unsqueeze (x, one) kt = Transpose <perm = [0, 1, 3, 2]> (k) y = MatMul (q, kt)", "x",
        $"all = com.microsoft.FusedMatMul <transA = 1> (q, dy) {ReducedToShapeOf("kt", "all")} gk = Transpose <perm = [0, 1, 3, 2]> (gkt) gx = Squeeze (gk, one)", "int64[1] one = {1}, int64[1] zero = {0}");

    // A weight that is converted where it is used is converted again, not before dy is there; else all converted weights would be alive at once.
    [TestMethod]
    public void MatMul_OfAConvertedWeight_ConvertsItAgain() => Gradient("float[2, 3] x", "w = Cast <to = 1> (half) y = MatMul (x, w)", "x",
        "nothing = Shape <start = 0, end = 0> (dy) late = Expand (half, nothing) again = Cast <to = 1> (late) gx = com.microsoft.FusedMatMul <transB = 1> (dy, again)", "float16[3, 4] half = [\"location\": \"w\"]");

    [TestMethod]
    public void MatMul_OfADequantisedWeight_DequantisesItAgain() => Gradient("float[2, 3] x", "w = DequantizeLinear <axis = 0> (q, s, z) y = MatMul (x, w)", "x",
        "nothing = Shape <start = 0, end = 0> (dy) late = Expand (s, nothing) again = DequantizeLinear <axis = 0> (q, late, z) gx = com.microsoft.FusedMatMul <transB = 1> (dy, again)",
        "uint8[3, 4] q = [\"location\": \"q\"], float[3] s = [\"location\": \"s\"], uint8[3] z = [\"location\": \"z\"]");

    [TestMethod]
    public void MatMul_OfAWeightThatIsScaledByAnInput_KeepsIt() => Gradient("float[2, 3] x, float[3] s", "w = DequantizeLinear <axis = 0> (q, s) y = MatMul (x, w)", "x",
        "gx = com.microsoft.FusedMatMul <transB = 1> (dy, w)", "uint8[3, 4] q = [\"location\": \"q\"]");

    [TestMethod]
    public void FusedMatMul() => Gradient("float[2, 3] x, float[3, 4] w", "y = com.microsoft.FusedMatMul <alpha = 0.5> (x, w)", "x, w",
        "gx = com.microsoft.FusedMatMul <transB = 1, alpha = 0.5> (dy, w) gw = com.microsoft.FusedMatMul <transA = 1, alpha = 0.5> (x, dy)");

    [TestMethod]
    public void FusedMatMul_OfATransposedFactor() => Gradient("float[2, 3] x, float[4, 3] w", "y = com.microsoft.FusedMatMul <transB = 1, alpha = 0.5> (x, w)", "x, w",
        "gx = com.microsoft.FusedMatMul <alpha = 0.5> (dy, w) gw = com.microsoft.FusedMatMul <transA = 1, alpha = 0.5> (dy, x)");

    [TestMethod]
    public void Gemm() => Gradient("float[2, 3] x", "y = Gemm <alpha = 0.5, transB = 1> (x, w, b)", "x", "gx = com.microsoft.FusedMatMul <alpha = 0.5> (dy, w)",
        "float[4, 3] w = [\"location\": \"w\"], float[4] b = [\"location\": \"b\"]");

    [TestMethod]
    public void Gemm_OfAMatrixAsStored() => Gradient("float[2, 3] x", "y = Gemm (x, w)", "x", "gx = com.microsoft.FusedMatMul <transB = 1> (dy, w)", "float[3, 4] w = [\"location\": \"w\"]");

    // dx = dy W with W [N, K] read from the same bytes, not before dy is there.
    [TestMethod]
    public void MatMulNBits() => Gradient("float[5, 32] x", "y = com.microsoft.MatMulNBits <N = 3, K = 32, bits = 4, block_size = 16> (x, elements, scales, zeros)", "x",
        """
        nothing = Shape <start = 0, end = 0> (dy) late = Expand (scales2, nothing)
        w = com.microsoft.GatherBlockQuantized <gather_axis = 0, quantize_axis = 1, block_size = 16, bits = 4> (elements2, rows, late, zeros2)
        gx = MatMul (dy, w)
        """,
        """
        uint8[3, 2, 8] elements = ["location": "e"], float[6] scales = ["location": "s"], uint8[3] zeros = ["location": "z"],
        uint8[3, 16] elements2 = ["location": "e"], float[3, 2] scales2 = ["location": "s"], uint8[3, 1] zeros2 = ["location": "z"], int64[3] rows = {0, 1, 2}
        """);

    [TestMethod]
    public void MatMulNBits_OfPaddedRows_CutsThePadding() => Gradient("float[5, 40] x", "y = com.microsoft.MatMulNBits <N = 2, K = 40, bits = 8, block_size = 32> (x, elements, scales)", "x",
        """
        nothing = Shape <start = 0, end = 0> (dy) late = Expand (scales, nothing)
        w = com.microsoft.GatherBlockQuantized <gather_axis = 0, quantize_axis = 1, block_size = 32, bits = 8> (elements, rows, late)
        padded = MatMul (dy, w) gx = Slice (padded, zero, forty, last)
        """,
        """
        uint8[2, 64] elements = ["location": "e"], float[2, 2] scales = ["location": "s"], int64[2] rows = {0, 1}, int64[1] zero = {0}, int64[1] forty = {40}, int64[1] last = {-1}
        """);

    [TestMethod]
    public void MatMulNBits_OfAWeightThatIsUsedTwice_IsDequantisedOnce() => Gradient("float[5, 16] x",
        $"h = com.microsoft.MatMulNBits <{Square}> (x, elements, scales) y = com.microsoft.MatMulNBits <{Square}> (h, elements, scales)", "x",
        $"""
        nothing = Shape <start = 0, end = 0> (dy) late = Expand (scales, nothing)
        w = com.microsoft.GatherBlockQuantized <{Gathered}> (elements2, rows, late)
        gh = MatMul (dy, w) gx = MatMul (gh, w)
        """,
        $"uint8[16, 1, 8] elements = [\"location\": \"e\"], float[16, 1] scales = [\"location\": \"s\"], uint8[16, 8] elements2 = [\"location\": \"e\"], {Rows}");

    [TestMethod]
    public void MatMulNBits_OfTwoWeights_ShareTheRowNumbers() => Gradient("float[5, 16] x",
        $"h = com.microsoft.MatMulNBits <{Square}> (x, e, s) y = com.microsoft.MatMulNBits <{Square}> (h, f, t)", "x",
        $"""
        nothing = Shape <start = 0, end = 0> (dy) late_t = Expand (t, nothing) second = com.microsoft.GatherBlockQuantized <{Gathered}> (f2, rows, late_t) gh = MatMul (dy, second)
        nothing2 = Shape <start = 0, end = 0> (gh) late_s = Expand (s, nothing2) first = com.microsoft.GatherBlockQuantized <{Gathered}> (e2, rows, late_s) gx = MatMul (gh, first)
        """,
        $"""
        uint8[16, 1, 8] e = ["location": "e"], float[16, 1] s = ["location": "s"], uint8[16, 8] e2 = ["location": "e"],
        uint8[16, 1, 8] f = ["location": "f"], float[16, 1] t = ["location": "t"], uint8[16, 8] f2 = ["location": "f"], {Rows}
        """);

    // What no other operator reads is de-quantised by the product itself: its product with the identity is the transposed weight. A bias is no part of that.
    [TestMethod]
    [DataRow(2, "uint8[4, 2, 4]", "", "", DisplayName = "elements of 2 bits")]
    [DataRow(2, "uint8[4, 2, 4]", ", zeros, , bias", ", zeros", DisplayName = "elements of 2 bits, a bias")]
    [DataRow(4, "uint8[4, 2, 8]", ", numbers", ", numbers", DisplayName = "zero points that are numbers")]
    [DataRow(8, "uint8[4, 2, 16]", ", , order", ", , order", DisplayName = "columns in another order")]
    public void MatMulNBits_OfAnotherStorage_IsDequantisedByTheIdentity(int bits, string type, string inputs, string read) => Gradient("float[5, 32] x",
        $"y = com.microsoft.MatMulNBits <N = 4, K = 32, bits = {bits}, block_size = 16> (x, e, s{inputs})", "x",
        $"""
        square = ConstantOfShape (sizes) eye = EyeLike (square) nothing = Shape <start = 0, end = 0> (dy) late = Expand (eye, nothing)
        w = com.microsoft.MatMulNBits <N = 4, K = 32, bits = {bits}, block_size = 16> (late, e, s{read}) gx = com.microsoft.FusedMatMul <transB = 1> (dy, w)
        """,
        $$"""
        {{type}} e = ["location": "e"], float[4, 2] s = ["location": "s"], uint8[4, 1] zeros = ["location": "z"], float[4, 2] numbers = ["location": "n"], int32[32] order = ["location": "o"],
        float[4] bias = ["location": "b"], int64[2] sizes = {32, 32}
        """);

    [TestMethod]
    public void RotaryEmbedding_OfTheStandard_TurnsBack() => Gradient("float[1, 2, 3, 8] x, int64[1, 3] p", "y = RotaryEmbedding (x, cosines, sines, p)", "x",
        "negated = Neg (sines) gx = RotaryEmbedding (dy, cosines, negated, p)", "float[9, 4] cosines = [\"location\": \"c\"], float[9, 4] sines = [\"location\": \"s\"]");

    [TestMethod]
    public void RotaryEmbedding_TurnsBack() => Gradient("float[1, 2, 8] x, int64[1] p", "y = com.microsoft.RotaryEmbedding <interleaved = 1> (x, p, cosines, sines)", "x",
        "negated = Neg (sines) gx = com.microsoft.RotaryEmbedding <interleaved = 1> (dy, p, cosines, negated)", "float[9, 2] cosines = [\"location\": \"c\"], float[9, 2] sines = [\"location\": \"s\"]");

    [TestMethod]
    public void Reshape_OfUnknownShape() => Gradient("float[] x", "y = Reshape (x, shape)", "x", "back = Shape (x) gx = Reshape (dy, back)", "int64[2] shape = {2, 3}");

    [TestMethod]
    public void Reshape_OfDeclaredShapes_DoesNotAskForTheInput() => Gradient("float[b, s, 6] x", "r = Reshape (x, shape) y = Neg (r)", "x", "gr = Neg (dy) gx = Reshape (gr, back)",
        "int64[4] shape = {0, 0, 2, 3}, int64[3] back = {0, 0, 6}, float[b, s, 2, 3] r");

    // A dimension that stands elsewhere in dy is left over: -1. Two of them are too many.
    [TestMethod]
    [DataRow("float[b, 2, 3]", "float[n, 6]", "{-1, 2, 3}", DisplayName = "a symbol of its own")]
    [DataRow("float[2, 3, s]", "float[6, s]", "{2, 3, -1}", DisplayName = "a symbol in another place")]
    [DataRow("float[?, 2, 3]", "float[5, 6]", "{-1, 2, 3}", DisplayName = "an unknown size")]
    [DataRow("float[?, 2, 3]", "float[?, 6]", "{-1, 2, 3}", DisplayName = "two unknown sizes in one place")]
    [DataRow("float[b, s, 6]", "float[b, n, 3]", "{0, -1, 6}", DisplayName = "one symbol in its place, one not")]
    public void Reshape_OfDeclaredShapes_LeavesOneDimensionOver(string before, string after, string back) => Gradient($"{before} x", "r = Reshape (x, shape) y = Neg (r)", "x", "gr = Neg (dy) gx = Reshape (gr, back)",
        $"int64[2] shape = [\"location\": \"s\"], int64[3] back = {back}, {after} r");

    [TestMethod]
    public void Reshape_OfTwoDimensionsLeftOver_AsksForTheInput() => Gradient("float[b, s, 6] x", "r = Reshape (x, shape) y = Neg (r)", "x", "gr = Neg (dy) back = Shape (x) gx = Reshape (gr, back)",
        "int64[2] shape = {-1, 6}, float[n, 6] r");

    [TestMethod]
    public void Transpose() => Gradient("float[2, 3, 4] x", "y = Transpose <perm = [1, 2, 0]> (x)", "x", "gx = Transpose <perm = [2, 0, 1]> (dy)");

    [TestMethod]
    public void Unsqueeze() => Gradient("float[2] x", "y = Unsqueeze (x, axes)", "x", "gx = Squeeze (dy, axes)", "int64[1] axes = {1}");

    [TestMethod]
    public void Squeeze() => Gradient("float[2, 1] x", "y = Squeeze (x, axes)", "x", "gx = Unsqueeze (dy, axes)", "int64[1] axes = {1}");

    [TestMethod]
    public void Expand() => Gradient("float[2, 1] x", "y = Expand (x, shape)", "x", ReducedToShapeOf("x", "dy"), "int64[2] shape = {2, 3}, int64[1] zero = {0}");

    [TestMethod]
    public void Split_WithAPartThatNothingReads() => Gradient("float[2, 5] x", "y, rest = Split <axis = 1> (x, sizes)", "x", "nothing = Mul (rest, zero) gx = Concat <axis = 1> (dy, nothing)",
        "int64[2] sizes = {2, 3}, float zero = {0}");

    [TestMethod]
    public void Concat() => Gradient("float[2, 3] x, float[2, 1] w", "y = Concat <axis = 1> (x, w)", "x, w",
        "sx = Shape (x) nx = Gather (sx, axis) sw = Shape (w) nw = Gather (sw, axis) sizes = Concat <axis = 0> (nx, nw) gx, gw = Split <axis = 1> (dy, sizes)", "int64[1] axis = {1}");

    // The gradient of x[:, 1:3] of 5 columns stands between one column of zeros and two.
    [TestMethod]
    public void Slice() => Gradient("float[2, 5] x", "y = Slice (x, one, three, axis)", "x", "gx = Pad (dy, widths)",
        "int64[1] one = {1}, int64[1] three = {3}, int64[1] axis = {-1}, int64[4] widths = {0, 1, 0, 2}");

    [TestMethod]
    public void Slice_BeyondTheEnd() => Gradient("float[2, 5] x", "y = Slice (x, one, many, axis)", "x", "gx = Pad (dy, widths)",
        "int64[1] one = {1}, int64[1] many = {9}, int64[1] axis = {0}, int64[4] widths = {1, 0, 0, 0}");

    // As many columns of zeros as are left.
    [TestMethod]
    public void Slice_OfUnknownWidth() => Gradient("float[2, w] x", "y = Slice (x, one, three, axis)", "x",
        """
        sx = Shape (x) nx = Gather (sx, axis) sy = Shape (y) ny = Gather (sy, axis) behind = Sub (nx, one) after = Sub (behind, ny)
        padding = Concat <axis = 0> (one, after)
        sx2 = Shape (x) rank = Shape (sx2) place = Add (rank, axis) behind_it = Add (rank, place) places = Concat <axis = 0> (place, behind_it)
        twice = Add (rank, rank) none = ConstantOfShape <value = int64[1] {0}> (twice) widths = ScatterElements <axis = 0> (none, places, padding) gx = Pad (dy, widths)
        """,
        "int64[1] one = {1}, int64[1] three = {3}, int64[1] axis = {-1}");

    [TestMethod]
    public void Gather() => Gradient("float[4, 3] x, int64[2] rows", "y = Gather (x, rows)", "x",
        "shape = Shape (x) zeros = ConstantOfShape (shape) indices = Unsqueeze (rows, last) gx = ScatterND <reduction = \"add\"> (zeros, indices, dy)", "int64[1] last = {-1}");

    [TestMethod]
    public void AValueThatIsReadTwice_GetsTheSum() => Gradient("float[2] x", "e = Exp (x) n = Neg (x) y = Mul (e, n)", "x",
        "ge = Mul (dy, n) gn = Mul (dy, e) through_n = Neg (gn) through_e = Mul (ge, e) gx = Add (through_n, through_e)");

    [TestMethod]
    public void AShape_EndsThePath() => Gradient("float[2] x, float[2] w", "s = Shape (x) t = Reshape (w, s) y = Mul (x, t)", "x", "gx = Mul (dy, t)");

    // Atan has no rule, and needs none where nothing that is trained comes through it.
    [TestMethod]
    [DataRow("t = Atan (w)")]
    [DataRow("s = Shape (x) f = Cast <to = 1> (s) t = Atan (f)")]
    public void WhatDoesNotDependOnWhatIsTrained_IsNotDifferentiated(string frozen) => Gradient("float[2] x, float[2] w", $"{frozen} y = Mul (x, t)", "x", "gx = Mul (dy, t)");

    [TestMethod]
    public void OutputsThatAreLeftOut_HaveNoGradient() => Gradient("float[2] x, float[2] w", "n, , i = LayerNormalization (x, one) s = Shape (n) t = Reshape (w, s) y = Mul (x, t)", "x", "gx = Mul (dy, t)", "float[2] one = {1, 1}");

    [TestMethod]
    [DataRow("float[2] x", "y = Atan (x)", "The operator Atan has no gradient rule")]
    [DataRow("float[2] x, float[2] w", "y = Atan (w)", "What is trained does not reach the loss")]
    [DataRow("float[2, 2] x", "y, \"\" = Split <axis = 1, num_outputs = 2> (x)", "A Split with a part that has no name has no gradient rule")]
    [DataRow("float[2, 2] x", "y = com.microsoft.FusedMatMul <transA = 1> (x, w22)", "A FusedMatMul with a transposed first factor has no gradient rule")]
    [DataRow("float[2, 2] x", "y = LayerNormalization <axis = 0> (x, w22)", "A LayerNormalization over other than the last axes, or with a weight that depends on what is trained, has no gradient rule")]
    [DataRow("float[2] x", "y = LayerNormalization (w22, two, x)", "A LayerNormalization over other than the last axes, or with a weight that depends on what is trained, has no gradient rule")]
    [DataRow("float[2] x, float[2] w", "y = Neg (w)", "What is trained does not reach the loss")]
    [DataRow("float[2, 2] x", "y = Transpose (x)", "A Transpose without a permutation has no gradient rule")]
    [DataRow("float[2] x", "y = Pow (two, x)", "A power whose exponent depends on what is trained has no gradient rule")]
    [DataRow("float[2, 2] x, int64[2] i", "y = Gather <axis = 1> (x, i)", "A Gather along another axis than the first has a gradient rule for a constant list of indices alone")]
    [DataRow("float[2, 2] x", "y = Einsum <equation = \"ij,kl->il\"> (x, w22)", "Only an Einsum of two operands whose letters all stand in two of the three places has a gradient rule")]
    [DataRow("float[2, 2] x", "y = LayerNormalization <axis = 1> (x, w22)", "A LayerNormalization over other than the last axes, or with a weight that depends on what is trained, has no gradient rule")]
    [DataRow("float[2, 2] x", "y = Max (x, w22, w22)", "A Max of other than two values has no gradient rule")]
    [DataRow("float[2, 1] x", "y = Squeeze (x)", "A Squeeze that does not name its axes has no gradient rule")]
    [DataRow("float[2, 2] x", "y = ReduceSum <keepdims = 0> (x)", "A reduction over all axes has no gradient rule")]
    [DataRow("float[2, 2] x", "y = Gemm <transA = 1> (x, w22)", "Only a Gemm of an activation with frozen weights has a gradient rule")]
    [DataRow("float[2, 2] x", "y = Gemm (w22, x)", "Only a Gemm of an activation with frozen weights has a gradient rule")]
    [DataRow("float[4] x", "y = Slice (x, rows, rows, rows, rows)", "Only a Slice along one axis, without steps, has a gradient rule")]
    public void AnOperatorWithoutARule_IsRefused(string inputs, string forward, string reason)
    {
        OnnxModel model = OnnxText.Load($"g ({inputs}, float[] dy) => (float[] y) <float two = {{2}}, int64[2] rows = {{0, 2}}, float[2, 2] w22 = [\"location\": \"w\"]> {{ {forward} }}");
        Assert.AreEqual(reason, Assert.ThrowsExactly<ModelRefusedException>(() => Differentiate(model, ["x"])).What);
    }
}
