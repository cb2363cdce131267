using Google.Protobuf.Collections;
using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>nodes ::= '{' node* '}'.</summary>
internal static class NodeListSyntax
{
    public static void Parse(TextCursor cursor, RepeatedField<NodeProto> nodes)
    {
        cursor.Take('{');
        while (!cursor.TryTake('}'))
        {
            nodes.Add(NodeSyntax.Parse(cursor));
        }
    }

    public static void Print(RepeatedField<NodeProto> nodes, TextOutput output)
    {
        output.Line().Write("{").Indented(() =>
        {
            foreach (NodeProto node in nodes)
            {
                output.Line();
                NodeSyntax.Print(node, output);
            }
        });
        output.Line().Write("}");
    }
}
