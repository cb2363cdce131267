using Google.Protobuf.Collections;
using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>header ::= '&lt;' (keyword ':' value), ... '&gt;'; opsets ::= '[' (string ':' number), ... ']'.</summary>
internal static class HeaderSyntax
{
    /// <summary>Reads a header if there is one.</summary>
    /// <param name="cursor">Where it may stand.</param>
    /// <param name="parse">Reads the value of a keyword; false where the keyword is unknown.</param>
    public static void Parse(TextCursor cursor, Func<string, bool> parse)
    {
        if (cursor.Peek() != '<')
        {
            return;
        }
        cursor.TakeList('<', '>', () =>
        {
            const string expected = "a keyword of the header, such as ir_version or opset_import";
            int start = cursor.Mark();
            string keyword = cursor.Identifier(expected);
            cursor.Take(':');
            if (!parse(keyword))
            {
                throw cursor.RefuseAt(start, expected);
            }
        });
    }

    /// <summary>Prints a header; entries without a printing action are left out.</summary>
    public static void Print(TextOutput output, params ReadOnlySpan<(string Keyword, Action? Print)> entries)
    {
        output.Write("<");
        string separator = "\n   ";
        foreach ((string keyword, Action? print) in entries)
        {
            if (print is not null)
            {
                output.Write(separator).Write(keyword).Write(": ");
                print();
                separator = ",\n   ";
            }
        }
        output.Write("\n>\n");
    }

    public static void ParseOpsets(TextCursor cursor, RepeatedField<OperatorSetIdProto> opsets) => cursor.TakeList('[', ']', () =>
    {
        OperatorSetIdProto opset = new() { Domain = cursor.String("a domain, a string") };
        cursor.Take(':');
        opset.Version = cursor.Integer("the version of a domain");
        opsets.Add(opset);
    });

    public static void PrintOpsets(RepeatedField<OperatorSetIdProto> opsets, TextOutput output) =>
        output.List("[", opsets, "]", opset => output.Quoted(opset.Domain).Write(" : ").Write(opset.Version));
}
