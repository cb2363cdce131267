using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Lets quantised weights claim other sizes than their tensors have.</summary>
internal static class QuantisationMutations
{
    private static readonly string[] Claims = ["N", "K", "bits", "block_size", "axis", "zero_point", "weight_prepacked"];

    public static void Change(Picker pick)
    {
        NodeProto[] nodes = [.. pick.Graph.Node.Where(node => node.OpType is "MatMulNBits" or "DequantizeLinear" or "DynamicQuantizeMatMul" or "MatMulInteger" or "MatMulIntegerToFloat" or "DynamicQuantizeLinear")];
        if (pick.From(nodes) is not { } quantised)
        {
            AttributeMutations.Change(pick);
            return;
        }
        string claim = Claims[pick.Next(Claims.Length)];
        if (quantised.Attribute.FirstOrDefault(attribute => attribute.Name == claim) is { } attribute)
        {
            attribute.I = pick.Once(3) ? attribute.I * 2 : pick.Number();
        }
        else if (pick.From(pick.Graph.Initializer.Where(tensor => quantised.Input.Contains(tensor.Name)).ToArray()) is { } tensor)
        {
            TensorMutations.Change(tensor, pick);
        }
    }
}
