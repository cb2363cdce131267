using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>entry ::= string ':' string, of metadata and of external data.</summary>
internal static class EntrySyntax
{
    public static StringStringEntryProto Parse(TextCursor cursor)
    {
        StringStringEntryProto entry = new() { Key = cursor.String("a string, the key of an entry") };
        cursor.Take(':');
        entry.Value = cursor.String("a string, the value of an entry");
        return entry;
    }

    public static void Print(StringStringEntryProto entry, TextOutput output) => output.Quoted(entry.Key).Write(": ").Quoted(entry.Value);
}
