using Onnx;

namespace AlignerOnnx.Graph.Text;

/// <summary>
/// graph ::= name '(' (value ('=' data)?), ... ')' '=>' '(' value, ... ')' ('&lt;' (value ('=' data)?), ... '&gt;')? nodes. A value with data is an initializer; one with
/// data among the inputs is both, an initializer that callers may override. All initializers are printed between the angle brackets, in their order.
/// </summary>
internal static class GraphSyntax
{
    public static GraphProto Parse(TextCursor cursor) => ParseAfterName(cursor, cursor.Name("the name of a graph"));

    /// <summary>Reads what follows the name of a graph.</summary>
    public static GraphProto ParseAfterName(TextCursor cursor, string name) => cursor.Nested(nested => ParseNested(nested, name));

    public static void Print(GraphProto graph, TextOutput output) => output.Nested(() => PrintNested(graph, output));

    private static GraphProto ParseNested(TextCursor cursor, string name)
    {
        GraphProto graph = new() { Name = name };
        cursor.TakeList('(', ')', () =>
        {
            ValueInfoProto input = ValueInfoSyntax.Parse(cursor);
            graph.Input.Add(input);
            TryParseInitializer(cursor, graph, input);
        });
        cursor.TakeArrow();
        cursor.TakeList('(', ')', () => graph.Output.Add(ValueInfoSyntax.Parse(cursor)));
        if (cursor.Peek() == '<')
        {
            cursor.TakeList('<', '>', () =>
            {
                ValueInfoProto value = ValueInfoSyntax.Parse(cursor);
                if (!TryParseInitializer(cursor, graph, value))
                {
                    graph.ValueInfo.Add(value);
                }
            });
        }
        NodeListSyntax.Parse(cursor, graph.Node);
        return graph;
    }

    private static bool TryParseInitializer(TextCursor cursor, GraphProto graph, ValueInfoProto value)
    {
        bool present = cursor.TryTake('=');
        if (present)
        {
            graph.Initializer.Add(TensorSyntax.ParseData(cursor, value.Type, value.Name));
        }
        return present;
    }

    private static void PrintNested(GraphProto graph, TextOutput output)
    {
        if (graph.SparseInitializer.Count > 0)
        {
            throw new ModelRefusedException("The ONNX text syntax has no place for sparse initializers", $"graph '{graph.Name}'");
        }
        output.Name(graph.Name);
        output.LongList(" (", graph.Input, ")", input => ValueInfoSyntax.Print(input, output));
        output.LongList(" => (", graph.Output, ")", result => ValueInfoSyntax.Print(result, output));
        PrintInnerValues(graph, output);
        NodeListSyntax.Print(graph.Node, output);
    }

    private static void PrintInnerValues(GraphProto graph, TextOutput output)
    {
        Action[] prints =
        [
            .. graph.Initializer.Select(tensor => (Action)(() => TensorSyntax.Print(tensor, output, isInitializer: true))),
            .. graph.ValueInfo.Select(value => (Action)(() => ValueInfoSyntax.Print(value, output))),
        ];
        if (prints.Length > 0)
        {
            output.Line().LongList("<", prints, ">", print => print());
        }
    }
}
