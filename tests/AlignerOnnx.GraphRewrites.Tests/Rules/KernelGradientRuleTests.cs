using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Where kernels of our own run, gradients that would take ONNX Runtime several operators are one: which, and what stays as it is.</summary>
[TestClass]
public sealed class KernelGradientRuleTests
{
    private const string Weights = "float[3, 4] wg = [\"location\": \"wg\"], float[3, 4] wu = [\"location\": \"wu\"], float one = {1}";
    private const string GateAndUp = "gate = MatMul (x, wg) up = MatMul (x, wu)";

    private const string Declared = "float[2, 3] gate, float[2, 3] up, float[2, 3] activated";
    private const string ProductRule = "gactivated = Mul (dy, up) gup = Mul (dy, activated) by_up = Mul (gup, up)";
    private const string Activation = "s = Sigmoid (gate) rest = Sub (one, s) bend = Mul (activated, rest)";
    private const string ThroughTheActivation = "slope = Add (s, bend) ggate = Mul (gactivated, slope) by_gate = Neg (ggate) gx = Add (by_up, by_gate)";

    // Of y = silu(gate) up to both projections, whose gradients meet in x.
    private const string OneOperatorForBoth = """
        ggate, gup = aligner.SwiGluGradient (dy, gate, up)
        by_up = com.microsoft.FusedMatMul <transB = 1> (gup, wu) by_gate = com.microsoft.FusedMatMul <transB = 1> (ggate, wg) gx = Add (by_up, by_gate)
        """;

    [TestMethod]
    [DataRow("y = Mul (activated, up)")]
    [DataRow("y = Mul (up, activated)")]
    public void SwiGlu(string product) =>
        Gradient("float[2, 3] x", $"{GateAndUp} activated = com.microsoft.QuickGelu <alpha = 1.0> (gate) {product}", "x", OneOperatorForBoth, Weights);

    [TestMethod]
    public void SwiGlu_OfAFrozenFactor() => Gradient("float[2, 3] x, float[2, 3] w", "gate = Neg (x) up = Neg (w) activated = com.microsoft.QuickGelu <alpha = 1.0> (gate) y = Mul (activated, up)",
        "x", "ggate, gup = aligner.SwiGluGradient (dy, gate, up) gx = Neg (ggate)");

    [TestMethod]
    public void SwiGlu_OfAFrozenGate() => Gradient("float[2, 3] x, float[2, 3] w", "gate = Neg (w) up = Neg (x) activated = com.microsoft.QuickGelu <alpha = 1.0> (gate) y = Mul (activated, up)",
        "x", "ggate, gup = aligner.SwiGluGradient (dy, gate, up) gx = Neg (gup)");

    // s(2 gate), its slope s + 2 activated (1 - s).
    [TestMethod]
    public void AnActivationOfAnotherSlope_IsDifferentiatedByItself() => Gradient("float[2, 3] x",
        "gate = Neg (x) up = Exp (x) activated = com.microsoft.QuickGelu <alpha = 2.0> (gate) y = Mul (activated, up)", "x",
        $"{ProductRule} scaled = Mul (gate, two) s = Sigmoid (scaled) rest = Sub (one, s) twice = Mul (activated, two) bend = Mul (twice, rest) {ThroughTheActivation}", $"{Declared}, float one = {{1}}, float two = {{2}}");

    // A factor that another operator made may be of another shape, which the kernel does not repeat.
    [TestMethod]
    public void AFactorOfAnotherOperator_IsDifferentiatedByItself() => Gradient("float[2, 3] x",
        "gate = Neg (x) up = Exp (x) activated = com.microsoft.QuickGelu <alpha = 1.0> (gate) y = Mul (activated, up)", "x", $"{ProductRule} {Activation} {ThroughTheActivation}", $"{Declared}, float one = {{1}}");

    [TestMethod]
    public void AnActivationThatIsReadTwice_IsDifferentiatedByItself() => Gradient("float[2, 3] x",
        "gate = Neg (x) up = Neg (x) activated = com.microsoft.QuickGelu <alpha = 1.0> (gate) product = Mul (activated, up) y = Add (product, activated)", "x",
        $$"""
        gproduct = Mul (dy, up) gup = Mul (dy, activated) gactivated = Add (dy, gproduct) by_up = Neg (gup)
        {{Activation}} slope = Add (s, bend) ggate = Mul (gactivated, slope) by_gate = Neg (ggate) gx = Add (by_up, by_gate)
        """,
        $"{Declared}, float[2, 3] product, float one = {{1}}");

    [TestMethod]
    public void ProductsOfOtherValues_AreDifferentiatedAsEver() => Gradient("float[2, 3] x, float[2, 3] w", "y = Mul (x, w)", "x, w", "gx = Mul (dy, w) gw = Mul (dy, x)");

    [TestMethod]
    public void RootMeanSquare() => Gradient("float[2, 3] x", "y, inverse = SimplifiedLayerNormalization <epsilon = 0.1> (x, w)", "x", "gx = aligner.RootMeanSquareGradient (dy, x, w, inverse)", "float[3] w = {1, 2, 3}");

    // The residual stream goes past the normalization too: that gradient is added in the same pass.
    [TestMethod]
    public void RootMeanSquare_OfTheResidualStream() => Gradient("float[2, 3] x", "n, inverse = SimplifiedLayerNormalization <epsilon = 0.1> (x, w) y = Add (x, n)", "x",
        "gx = aligner.RootMeanSquareGradient (dy, x, w, inverse, dy)", "float[3] w = {1, 2, 3}, float[2, 3] n");

    [TestMethod]
    [DataRow("float[2, 3] x, float[3] w", "", DisplayName = "of a computed weight")]
    [DataRow("float[2, 3] x", "float[1, 3] w = {1, 2, 3}, ", DisplayName = "of a weight of two dimensions")]
    public void AnotherRootMeanSquare_IsDifferentiatedByStandardOperators(string inputs, string weight) => Gradient(inputs, "y, r = SimplifiedLayerNormalization <epsilon = 0.1> (x, w)", "x",
        "s = Mul (dy, w) n = Mul (x, r) sn = Mul (s, n) mean = ReduceMean (sn, last) part = Mul (n, mean) difference = Sub (s, part) gx = Mul (difference, r)", $"{weight}int64[1] last = {{-1}}");

    [TestMethod]
    public void ASumWithAVector_IsNoNormalization() => Gradient("float[2, 3] x", "y = Add (x, w)", "x: dy", "", "float[3] w = {1, 2, 3}");

    [TestMethod]
    [DataRow("Softmax (x)")]
    [DataRow("Softmax <axis = -1> (x)")]
    public void Softmax(string forward) => Gradient("float[2, 3] x", $"y = {forward}", "x", "gx = aligner.SoftmaxGradient (dy, y)");

    [TestMethod]
    public void Softmax_AlongAnotherAxis_IsDifferentiatedByStandardOperators() => Gradient("float[2, 3, 4] x", "y = Softmax <axis = 1> (x)", "x",
        "weighted = Mul (dy, y) sum = ReduceSum (weighted, axis) part = Mul (y, sum) gx = Sub (weighted, part)", "int64[1] axis = {1}");

    // dx = dy W in one operator, which de-quantises panels of 32 columns.
    [TestMethod]
    public void MatMulNBits() => Gradient("float[5, 32] x", "y = com.microsoft.MatMulNBits <N = 3, K = 32, bits = 4, block_size = 16> (x, elements, scales, zeros)", "x",
        "gx = aligner.QuantisedProduct <bits = 4, block_size = 16, columns = 32, transposed = 0> (dy, elements2, scales2, zeros2)",
        """
        uint8[3, 2, 8] elements = ["location": "e"], float[6] scales = ["location": "s"], uint8[3] zeros = ["location": "z"],
        uint8[3, 16] elements2 = ["location": "e"], float[3, 2] scales2 = ["location": "s"], uint8[3, 1] zeros2 = ["location": "z"]
        """);

    // The kernel reads dy only to be held back until it is there.
    [TestMethod]
    public void MatMulNBits_OfOtherColumns_IsDequantisedWhole() => Gradient("float[5, 48] x", "y = com.microsoft.MatMulNBits <N = 3, K = 48, bits = 8, block_size = 16> (x, elements, scales, zeros)", "x",
        "w = aligner.Dequantise <bits = 8, block_size = 16, columns = 48> (elements2, scales, zeros, dy) gx = MatMul (dy, w)",
        """
        uint8[3, 3, 16] elements = ["location": "e"], float[3, 3] scales = ["location": "s"], uint8[3, 3] zeros = ["location": "z"], uint8[3, 48] elements2 = ["location": "e"]
        """);

    private static void Gradient(string inputs, string forward, string wanted, string backward = "", string constants = "") =>
        BackwardPass.Gradient(inputs, forward, wanted, backward, constants, TrainingRuntime.AlignerKernels);
}
