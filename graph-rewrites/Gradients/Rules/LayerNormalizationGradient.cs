using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients.Rules;

/// <summary>
/// y = scale z + bias with z = (x - mean) / r and r the root of the variance, over the last axes: with g = dy scale, dx = (g - mean(g) - z mean(g z)) / r.
/// Mean and root are computed again rather than kept.
/// </summary>
internal sealed class LayerNormalizationGradient : IGradientRule
{
    public bool LooksFor(Node node) => node.Is("LayerNormalization");

    public void Differentiate(Node node, GradientContext context)
    {
        OpEmitter emit = context.Emit;
        Value x = node.Input(0)!;
        long axis = node.Attributes.Int("axis", -1);
        if (axis >= 0 || node.Inputs.Skip(1).Any(context.Needs))
        {
            throw new ModelRefusedException("A LayerNormalization over other than the last axes, or with a weight that depends on what is trained, has no gradient rule", node.ToString());
        }
        Value axes = emit.Integers([.. Enumerable.Range((int)axis, (int)-axis).Select(number => (long)number)]);
        Value Mean(Value value) => emit.Op("ReduceMean", [value, axes]);
        Value centred = emit.Sub(x, Mean(x));
        Value variance = emit.Add(Mean(emit.Mul(centred, centred)), emit.Scalar(node.Attributes.Float("epsilon", 1e-5f)));
        Value inverse = emit.Op("Reciprocal", [emit.Op("Sqrt", [variance])]);
        Value z = emit.Mul(centred, inverse);
        Value g = emit.Mul(context.GradientOf(node.Output)!, node.Input(1)!);
        Value spread = emit.Mul(z, Mean(emit.Mul(g, z)));
        context.Accumulate(x, emit.Mul(emit.Sub(emit.Sub(g, Mean(g)), spread), inverse));
    }
}
