using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// attribute ::= name (':' attribute-type)? '=' (value | '[' value, ... ']' | '@' name). The attribute type is printed where the value does not tell it: for empty lists
/// and for references to an attribute of the function.
/// </summary>
internal static class AttributeSyntax
{
    private const string AttributeTypes = "an attribute type: int, float, string, tensor, graph, type_proto, or one of them with an s";

    public static AttributeProto Parse(TextCursor cursor) => ParseAfterName(cursor, cursor.Name("the name of an attribute"));

    /// <summary>Reads what follows the name of an attribute.</summary>
    public static AttributeProto ParseAfterName(TextCursor cursor, string name)
    {
        AttributeProto attribute = new() { Name = name };
        AttributeType? stated = cursor.TryTake(':') ? ParseType(cursor) : null;
        cursor.Take('=');
        if (cursor.TryTake('@'))
        {
            attribute.RefAttrName = cursor.Name("the name of an attribute of the function");
            attribute.Type = stated ?? AttributeType.Undefined;
        }
        else if (cursor.Peek() == '[')
        {
            AttributeListSyntax.Parse(cursor, attribute, stated);
        }
        else
        {
            attribute.MergeFrom(AttributeValueSyntax.Parse(cursor, stated));
        }
        return attribute;
    }

    public static void Print(AttributeProto attribute, TextOutput output)
    {
        AttributeType type = attribute.Type == AttributeType.Undefined ? TypeOfContent(attribute) : attribute.Type;
        output.Name(attribute.Name);
        if (attribute.RefAttrName.Length > 0)
        {
            output.Write(attribute.Type == AttributeType.Undefined ? "" : $": {TextNames.NameOf(type)}").Write(" = @").Name(attribute.RefAttrName);
        }
        else if (AttributeListSyntax.IsList(type))
        {
            AttributeListSyntax.Print(attribute, type, output);
        }
        else
        {
            output.Write(" = ");
            AttributeValueSyntax.Print(attribute, type, output);
        }
    }

    private static AttributeType ParseType(TextCursor cursor)
    {
        int start = cursor.Mark();
        return TextNames.AttributeTypeOf(cursor.Identifier(AttributeTypes)) ?? throw cursor.RefuseAt(start, AttributeTypes);
    }

    /// <summary>Old exporters leave the type out.</summary>
    private static AttributeType TypeOfContent(AttributeProto attribute) =>
        attribute.HasF ? AttributeType.Float
        : attribute.HasI ? AttributeType.Int
        : attribute.HasS ? AttributeType.String
        : attribute.T is not null ? AttributeType.Tensor
        : attribute.G is not null ? AttributeType.Graph
        : attribute.Tp is not null ? AttributeType.TypeProto
        : AttributeListSyntax.TypeOfContent(attribute);
}
