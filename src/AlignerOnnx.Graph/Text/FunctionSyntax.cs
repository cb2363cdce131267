using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// function ::= header? name ('&lt;' (name | attribute), ... '&gt;')? '(' value, ... ')' '=>' '(' value, ... ')' ('&lt;' value, ... '&gt;')? nodes. An attribute with a value
/// is one with a default; types of inputs and outputs are printed with those of the inner values.
/// </summary>
internal static class FunctionSyntax
{
    public static FunctionProto Parse(TextCursor cursor)
    {
        FunctionProto function = new();
        HeaderSyntax.Parse(cursor, keyword => ParseEntry(cursor, keyword, function));
        function.Name = cursor.Name("the name of a function");
        if (cursor.Peek() == '<')
        {
            cursor.TakeList('<', '>', () => ParseAttribute(cursor, function));
        }
        cursor.TakeList('(', ')', () => function.Input.Add(ParseValue(cursor, function)));
        cursor.TakeArrow();
        cursor.TakeList('(', ')', () => function.Output.Add(ParseValue(cursor, function)));
        if (cursor.Peek() == '<')
        {
            cursor.TakeList('<', '>', () => function.ValueInfo.Add(ValueInfoSyntax.Parse(cursor)));
        }
        NodeListSyntax.Parse(cursor, function.Node);
        return function;
    }

    public static void Print(FunctionProto function, TextOutput output)
    {
        HeaderSyntax.Print(output,
            ("domain", () => output.Quoted(function.Domain)),
            ("overload", function.Overload.Length > 0 ? () => output.Quoted(function.Overload) : null),
            ("opset_import", () => HeaderSyntax.PrintOpsets(function.OpsetImport, output)),
            ("doc_string", function.DocString.Length > 0 ? () => output.Quoted(function.DocString) : null));
        output.Name(function.Name);
        Action[] attributes =
        [
            .. function.Attribute.Select(name => (Action)(() => output.Name(name))),
            .. function.AttributeProto.Select(attribute => (Action)(() => AttributeSyntax.Print(attribute, output))),
        ];
        if (attributes.Length > 0)
        {
            output.List(" <", attributes, ">", print => print());
        }
        output.LongList(" (", function.Input, ")", name => output.Name(name));
        output.LongList(" => (", function.Output, ")", name => output.Name(name));
        if (function.ValueInfo.Count > 0)
        {
            output.Line().LongList("<", function.ValueInfo, ">", value => ValueInfoSyntax.Print(value, output));
        }
        NodeListSyntax.Print(function.Node, output);
    }

    private static bool ParseEntry(TextCursor cursor, string keyword, FunctionProto function)
    {
        switch (keyword)
        {
            case "domain":
                function.Domain = cursor.String("the domain, a string");
                return true;
            case "overload":
                function.Overload = cursor.String("the overload, a string");
                return true;
            case "opset_import":
                HeaderSyntax.ParseOpsets(cursor, function.OpsetImport);
                return true;
            case "doc_string":
                function.DocString = cursor.String("the documentation, a string");
                return true;
            default:
                return false;
        }
    }

    private static void ParseAttribute(TextCursor cursor, FunctionProto function)
    {
        string name = cursor.Name("the name of an attribute");
        if (cursor.Peek() is ':' or '=')
        {
            function.AttributeProto.Add(AttributeSyntax.ParseAfterName(cursor, name));
        }
        else
        {
            function.Attribute.Add(name);
        }
    }

    private static string ParseValue(TextCursor cursor, FunctionProto function)
    {
        ValueInfoProto value = ValueInfoSyntax.Parse(cursor);
        if (value.Type is not null)
        {
            function.ValueInfo.Add(value);
        }
        return value.Name;
    }
}
