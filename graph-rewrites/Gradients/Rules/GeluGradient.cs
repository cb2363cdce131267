using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// y = x F(x), F the normal distribution function or its approximation by a hyperbolic tangent: dx = dy (F(x) + x F'(x)).
/// Source: the operator specifications of ai.onnx Gelu (opset 20), com.microsoft Gelu and com.microsoft FastGelu.
/// </summary>
internal sealed class GeluGradient : IGradientRule
{
    private const double Cubic = 0.044715;

    public bool LooksFor(Node node) => node.Is("Gelu") || node.Is("Gelu", Domains.Microsoft) || (node.Is("FastGelu", Domains.Microsoft) && node.Input(1) is null);

    public void Differentiate(Node node, GradientContext context)
    {
        bool approximate = node.OpType == "FastGelu" || node.Attributes.Text("approximate", "none") == "tanh";
        Value x = node.Input(0)!;
        Value slope = approximate ? TanhSlope(context.Emit, x) : ErfSlope(context.Emit, x);
        context.Accumulate(x, context.Emit.Mul(context.GradientOf(node.Output)!, slope));
    }

    /// <summary>(1 + erf(x / sqrt 2)) / 2 + x e^(-x x / 2) / sqrt(2 pi).</summary>
    private static Value ErfSlope(OpEmitter emit, Value x)
    {
        Value half = emit.Scalar(0.5f);
        Value erf = emit.Op("Erf", [emit.Mul(x, emit.Scalar(MathF.Sqrt(0.5f)))]);
        Value probability = emit.Mul(half, emit.Add(erf, emit.Scalar(1)));
        Value bell = emit.Op("Exp", [emit.Mul(emit.Mul(x, x), emit.Scalar(-0.5f))]);
        return emit.Add(probability, emit.Mul(emit.Mul(x, bell), emit.Scalar(1 / MathF.Sqrt(2 * MathF.PI))));
    }

    /// <summary>With t = tanh(u), u = sqrt(2 / pi) (x + 0.044715 x^3): (1 + t) / 2 + x (1 - t t) u' / 2, u' = sqrt(2 / pi) (1 + 3 * 0.044715 x^2).</summary>
    private static Value TanhSlope(OpEmitter emit, Value x)
    {
        (Value one, Value half, Value factor) = (emit.Scalar(1), emit.Scalar(0.5f), emit.Scalar((float)Math.Sqrt(2 / Math.PI)));
        Value square = emit.Mul(x, x);
        Value inner = emit.Mul(emit.Mul(x, emit.Add(emit.Mul(square, emit.Scalar((float)Cubic)), one)), factor);
        Value tanh = emit.Op("Tanh", [inner]);
        Value innerSlope = emit.Mul(emit.Add(emit.Mul(square, emit.Scalar((float)(3 * Cubic))), one), factor);
        Value bend = emit.Mul(emit.Mul(x, emit.Sub(one, emit.Mul(tanh, tanh))), innerSlope);
        return emit.Mul(half, emit.Add(emit.Add(tanh, one), bend));
    }
}
