using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph.Text;

/// <summary>value ::= number | string | type | tensor | graph. A value is handed about as an attribute without a name: those have the kinds that values have.</summary>
internal static class AttributeValueSyntax
{
    private const string Values = "a value: a number, a string, a tensor such as int64[1] {0}, a graph or a type";

    /// <summary>Reads one value.</summary>
    /// <param name="cursor">Where it stands.</param>
    /// <param name="stated">The type that it must have; an integer may stand for a float. Null where it is free.</param>
    public static AttributeProto Parse(TextCursor cursor, AttributeType? stated)
    {
        int start = cursor.Mark();
        AttributeProto value = Parse(cursor);
        return stated is null || stated == value.Type ? value
            : stated == AttributeType.Float && value.Type == AttributeType.Int ? new AttributeProto { Type = AttributeType.Float, F = value.I }
            : throw cursor.RefuseAt(start, AttributeListSyntax.IsList(stated.Value)
                ? $"a list between brackets, as the attribute is of type {TextNames.NameOf(stated.Value)}"
                : $"a value of type {TextNames.NameOf(stated.Value)}, as it is stated or the first of the list has it");
    }

    public static void Print(AttributeProto value, AttributeType type, TextOutput output)
    {
        switch (type)
        {
            case AttributeType.Int:
                output.Write(value.I);
                break;
            case AttributeType.Float:
                output.Fraction(value.F);
                break;
            case AttributeType.String:
                output.Quoted(value.S, $"attribute '{value.Name}'");
                break;
            case AttributeType.Tensor when value.T is not null:
                TensorSyntax.Print(value.T, output, isInitializer: false);
                break;
            case AttributeType.Graph when value.G is not null:
                output.Indented(() => GraphSyntax.Print(value.G, output));
                break;
            case AttributeType.TypeProto when value.Tp is not null:
                TypeSyntax.Print(value.Tp, output);
                break;
            default:
                throw new ModelRefusedException("The ONNX text syntax has no place for an attribute's value", $"attribute '{value.Name}'", type.ToString(), "a number, string, tensor, graph or type");
        }
    }

    private static AttributeProto Parse(TextCursor cursor)
    {
        if (TypeSyntax.IsNext(cursor))
        {
            return ParseTensorOrType(cursor);
        }
        if (cursor.Peek() == '"')
        {
            string text = cursor.String(Values);
            return cursor.Peek() == '(' ? OfGraph(GraphSyntax.ParseAfterName(cursor, text)) : new AttributeProto { Type = AttributeType.String, S = ByteString.CopyFromUtf8(text) };
        }
        return cursor.NextIsFraction ? new AttributeProto { Type = AttributeType.Float, F = cursor.Single(Values) }
            : cursor.NextIsName ? OfGraph(GraphSyntax.Parse(cursor))
            : new AttributeProto { Type = AttributeType.Int, I = cursor.Integer(Values) };
    }

    private static AttributeProto OfGraph(GraphProto graph) => new() { Type = AttributeType.Graph, G = graph };

    private static AttributeProto ParseTensorOrType(TextCursor cursor)
    {
        TypeProto type = TypeSyntax.Parse(cursor);
        bool data = cursor.Peek() is '{' or '[' or '=';
        return data || cursor.NextIsName
            ? new AttributeProto { Type = AttributeType.Tensor, T = TensorSyntax.ParseAfterType(cursor, type) }
            : new AttributeProto { Type = AttributeType.TypeProto, Tp = type };
    }
}
