using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Checks model-local functions, which the runtime expands in place: they must end, and not explode.</summary>
internal static class FunctionChecks
{
    private const long MostExpandedNodes = 1_000_000;

    /// <summary>Refuses functions that call each other in a cycle, exist twice, or expand to too many nodes.</summary>
    /// <exception cref="ModelRefusedException">They do.</exception>
    public static void RequireSound(ModelProto model)
    {
        Dictionary<Key, FunctionProto> functions = [];
        foreach (FunctionProto function in model.Functions)
        {
            if (!functions.TryAdd(KeyOf(function), function))
            {
                throw new ModelRefusedException("Two functions have the same name", Where(function), remedy: "export the model again");
            }
            foreach (NodeProto node in Messages.Deep(function.Node))
            {
                NodeChecks.RequireSound(node, inFunction: true);
            }
        }
        Dictionary<FunctionProto, long> sizes = new(ReferenceEqualityComparer.Instance);
        foreach (FunctionProto function in model.Functions)
        {
            Measure(function, functions, sizes, []);
        }
        RequireModest(model.Graph.Node, functions, sizes, $"graph '{model.Graph.Name}'");
    }

    /// <summary>The nodes that a function becomes. Calls nest no deeper than there are functions; a longer chain than any exporter writes is refused.</summary>
    private static void Measure(FunctionProto function, Dictionary<Key, FunctionProto> functions, Dictionary<FunctionProto, long> sizes, List<FunctionProto> open)
    {
        const int deepest = 200;
        if (sizes.ContainsKey(function))
        {
            return;
        }
        if (open.Contains(function) || open.Count > deepest)
        {
            throw new ModelRefusedException("Functions of the model call each other without end", Where(function), string.Join(" -> ", open.TakeLast(8).Append(function).Select(f => f.Name)), "functions that do not lead back to themselves", "do not use this model unless you know who made it");
        }
        open.Add(function);
        foreach (FunctionProto called in Messages.Deep(function.Node).Select(node => Called(node, functions)).OfType<FunctionProto>())
        {
            Measure(called, functions, sizes, open);
        }
        open.RemoveAt(open.Count - 1);
        sizes[function] = RequireModest(function.Node, functions, sizes, Where(function));
    }

    private static long RequireModest(IEnumerable<NodeProto> nodes, Dictionary<Key, FunctionProto> functions, Dictionary<FunctionProto, long> sizes, string where)
    {
        long size = 0;
        foreach (NodeProto node in Messages.Deep(nodes))
        {
            size += Called(node, functions) is { } called ? sizes[called] : 1;
            if (size > MostExpandedNodes)
            {
                throw new ModelRefusedException("The model's functions expand to too many nodes", where, $"more than {MostExpandedNodes}", "a graph of the size of a language model", "do not use this model unless you know who made it");
            }
        }
        return size;
    }

    private static FunctionProto? Called(NodeProto node, Dictionary<Key, FunctionProto> functions) =>
        functions.Count == 0 ? null : functions.GetValueOrDefault(KeyOf(node));

    private static string Where(FunctionProto function) => $"function '{function.Name}' of domain '{function.Domain}'";

    /// <summary>What a node calls, if there is such a function.</summary>
    public static Key KeyOf(NodeProto node) => new(Domains.Normalise(node.Domain), node.OpType, node.Overload);

    /// <summary>What a function is called by.</summary>
    public static Key KeyOf(FunctionProto function) => new(Domains.Normalise(function.Domain), function.Name, function.Overload);

    /// <summary>The identity of a function.</summary>
    internal readonly record struct Key(string Domain, string Name, string Overload);
}
