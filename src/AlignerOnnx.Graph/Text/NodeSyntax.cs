using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// node ::= ('[' name ']')? names '=' operator attributes? '(' names ')' attributes?, the attributes in one of the two places;
/// operator ::= (domain '.')? type (':' overload)?.
/// </summary>
internal static class NodeSyntax
{
    public static NodeProto Parse(TextCursor cursor)
    {
        NodeProto node = new();
        if (cursor.TryTake('['))
        {
            node.Name = cursor.Name("the name of a node");
            cursor.Take(']');
        }
        node.Output.AddRange(cursor.Names());
        cursor.Take('=');
        ParseOperator(cursor, node);
        bool first = ParseAttributes(cursor, node);
        cursor.Take('(');
        node.Input.AddRange(cursor.Names());
        cursor.Take(')');
        if (!first)
        {
            ParseAttributes(cursor, node);
        }
        return node;
    }

    public static void Print(NodeProto node, TextOutput output)
    {
        if (node.Name.Length > 0)
        {
            output.Write("[").Name(node.Name).Write("] ");
        }
        output.List("", node.Output, " = ", name => output.Name(name));
        PrintOperator(node, output);
        // Graphs take many lines: behind the inputs they leave those readable.
        bool long_ = node.Attribute.Any(attribute => attribute.G is not null || attribute.Graphs.Count > 0);
        if (!long_)
        {
            PrintAttributes(node, output);
        }
        output.List(" (", node.Input, ")", name => output.Name(name));
        if (long_)
        {
            PrintAttributes(node, output);
        }
    }

    private static void ParseOperator(TextCursor cursor, NodeProto node)
    {
        List<string> parts = [cursor.Name("an operator, such as Add or com.microsoft.FusedMatMul")];
        while (cursor.TryTake('.'))
        {
            parts.Add(cursor.Name("the next part of an operator's name"));
        }
        node.OpType = parts[^1];
        node.Domain = string.Join('.', parts[..^1]);
        if (cursor.TryTake(':'))
        {
            node.Overload = cursor.Name("the overload of an operator");
        }
    }

    private static void PrintOperator(NodeProto node, TextOutput output)
    {
        if (node.Domain.Length > 0)
        {
            if (node.Domain.Split('.').All(TextNames.IsPlain))
            {
                output.Write(node.Domain);
            }
            else
            {
                output.Quoted(node.Domain);
            }
            output.Write(".");
        }
        output.Name(node.OpType);
        if (node.Overload.Length > 0)
        {
            output.Write(":").Name(node.Overload);
        }
    }

    private static bool ParseAttributes(TextCursor cursor, NodeProto node)
    {
        bool present = cursor.Peek() == '<';
        if (present)
        {
            cursor.TakeList('<', '>', () => node.Attribute.Add(AttributeSyntax.Parse(cursor)));
        }
        return present;
    }

    private static void PrintAttributes(NodeProto node, TextOutput output)
    {
        if (node.Attribute.Count > 0)
        {
            output.List(" <", node.Attribute, ">", attribute => AttributeSyntax.Print(attribute, output));
        }
    }
}
