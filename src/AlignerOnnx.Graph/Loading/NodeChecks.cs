using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>Checks single nodes: what two readers of the file could understand differently.</summary>
internal static class NodeChecks
{
    /// <summary>Refuses a node that is not well formed.</summary>
    /// <param name="node">The node.</param>
    /// <param name="inFunction">Whether it stands in a function, whose attributes may refer to those of the function.</param>
    /// <exception cref="ModelRefusedException">It has no operator, or its attributes are ambiguous.</exception>
    public static void RequireSound(NodeProto node, bool inFunction)
    {
        string where = $"node '{node.Name}' ({node.OpType})";
        if (node.OpType.Length == 0)
        {
            throw new ModelRefusedException("A node has no operator", where, remedy: "export the model again");
        }
        if (node.Attribute.GroupBy(attribute => attribute.Name).FirstOrDefault(group => group.Skip(1).Any()) is { } twice)
        {
            throw new ModelRefusedException("A node has an attribute twice", where, $"two attributes '{twice.Key}'", "each attribute once", "export the model again");
        }
        foreach (AttributeProto attribute in node.Attribute)
        {
            RequireSound(attribute, where, inFunction);
        }
    }

    private static void RequireSound(AttributeProto attribute, string where, bool inFunction)
    {
        if (attribute.RefAttrName.Length > 0 && !inFunction)
        {
            throw new ModelRefusedException("An attribute refers to a function's attribute outside of a function", $"{where}, attribute {attribute.Name}", attribute.RefAttrName, "a value", "export the model again");
        }
        if (attribute.SparseTensor is not null || attribute.SparseTensors.Count > 0)
        {
            throw new ModelRefusedException("A node holds a sparse tensor", $"{where}, attribute {attribute.Name}", remedy: "export the model with dense weights");
        }
        AttributeType? held = attribute.G is not null ? AttributeType.Graph
            : attribute.Graphs.Count > 0 ? AttributeType.Graphs
            : attribute.T is not null ? AttributeType.Tensor
            : attribute.Tensors.Count > 0 ? AttributeType.Tensors
            : null;
        if (held is not null && held != attribute.Type)
        {
            throw new ModelRefusedException("An attribute has the wrong kind", $"{where}, attribute {attribute.Name}", $"a value of kind {held}", attribute.Type.ToString(), "export the model again");
        }
    }
}
