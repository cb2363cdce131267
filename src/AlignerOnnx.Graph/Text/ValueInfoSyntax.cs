using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>value ::= type? name.</summary>
internal static class ValueInfoSyntax
{
    public static ValueInfoProto Parse(TextCursor cursor) => new()
    {
        Type = TypeSyntax.IsNext(cursor) ? TypeSyntax.Parse(cursor) : null,
        Name = cursor.Name("a type or the name of a value"),
    };

    public static void Print(ValueInfoProto value, TextOutput output)
    {
        if (value.Type is { ValueCase: not TypeProto.ValueOneofCase.None } type)
        {
            TypeSyntax.Print(type, output);
            output.Write(" ");
        }
        output.Name(value.Name);
    }
}
