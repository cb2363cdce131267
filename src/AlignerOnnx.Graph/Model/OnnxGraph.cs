using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>A graph whose values know their producer and their uses. Edits keep both true; saving orders the nodes.</summary>
public sealed class OnnxGraph
{
    private readonly GraphProto _header;
    private readonly Dictionary<string, Value> _values = new(StringComparer.Ordinal);
    private readonly List<Node> _nodes = [];
    private readonly List<Value> _inputs = [];
    private readonly List<Value> _outputs = [];

    internal OnnxGraph(GraphProto header) => _header = header;

    /// <summary>The nodes: those of the file in their order, then those that were added.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>The graph inputs, overridable initializers included.</summary>
    public IReadOnlyList<Value> Inputs => _inputs;

    /// <summary>The graph outputs.</summary>
    public IReadOnlyList<Value> Outputs => _outputs;

    /// <summary>All values.</summary>
    public IReadOnlyCollection<Value> Values => _values.Values;

    /// <summary>The value of that name; null where there is none.</summary>
    public Value? Find(string name) => _values.GetValueOrDefault(name);

    /// <summary>A name that no value has: the wish itself, or the wish with a number behind it.</summary>
    public string UniqueName(string wish)
    {
        string name = wish;
        for (int number = 1; _values.ContainsKey(name); number++)
        {
            name = $"{wish}_{number}";
        }
        return name;
    }

    /// <summary>Adds a graph input.</summary>
    public Value AddInput(string name, TypeProto type)
    {
        Value value = _values.TryGetValue(name, out Value? known) ? known : NewValue(name);
        value.Type = type;
        value.IsGraphInput = true;
        _inputs.Add(value);
        return value;
    }

    /// <summary>Adds an initializer.</summary>
    public Value AddInitializer(TensorProto tensor, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        Value value = _values.TryGetValue(tensor.Name, out Value? known) ? known : NewValue(tensor.Name);
        value.Initializer = new Tensor(tensor, folder);
        return value;
    }

    /// <summary>Makes a value a graph output.</summary>
    public void AddOutput(Value value, TypeProto type)
    {
        ArgumentNullException.ThrowIfNull(value);
        value.Type = type;
        value.IsGraphOutput = true;
        _outputs.Add(value);
    }

    /// <summary>Takes a value out of the graph outputs.</summary>
    public void RemoveOutput(Value value)
    {
        ArgumentNullException.ThrowIfNull(value);
        value.IsGraphOutput = false;
        _outputs.Remove(value);
    }

    /// <summary>Takes a value out of the graph inputs.</summary>
    public void RemoveInput(Value value)
    {
        ArgumentNullException.ThrowIfNull(value);
        value.IsGraphInput = false;
        _inputs.Remove(value);
    }

    /// <summary>Adds a node; its outputs are new values.</summary>
    /// <param name="opType">The operator.</param>
    /// <param name="domain">Its domain.</param>
    /// <param name="name">The node's name; may be empty.</param>
    /// <param name="inputs">The inputs; null for an absent optional input.</param>
    /// <param name="outputNames">Names of the outputs, each free in the graph; null for an absent optional output.</param>
    /// <param name="attributes">The attributes.</param>
    public Node AddNode(string opType, string domain, string name, IReadOnlyList<Value?> inputs, IReadOnlyList<string?> outputNames, params ReadOnlySpan<AttributeProto> attributes)
    {
        NodeProto proto = new() { OpType = opType, Domain = domain, Name = name };
        proto.Attribute.AddRange(attributes.ToArray());
        return AddNode(proto, [.. inputs], [.. outputNames.Select(output => output is null ? null : NewValue(output))]);
    }

    /// <summary>Removes a node whose outputs nobody reads.</summary>
    /// <exception cref="InvalidOperationException">An output is still in use.</exception>
    public void RemoveNode(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        foreach (Value output in node.Outputs.OfType<Value>())
        {
            if (output.Uses.Count > 0 || output.IsGraphOutput)
            {
                throw new InvalidOperationException($"{node} cannot be removed: its output {output} is in use.");
            }
            _values.Remove(output.Name);
        }
        foreach (Value input in node.Inputs.OfType<Value>().Distinct())
        {
            foreach (Use use in input.Uses.Where(use => use.Node == node).ToArray())
            {
                input.RemoveUse(use);
            }
        }
        foreach (Value captured in Subgraphs.Captured(node, Find))
        {
            captured.RemoveUse(new Use(node, Use.Subgraph));
        }
        _nodes.Remove(node);
    }

    /// <summary>Lets readers of one value read another one instead. Readers inside subgraphs are renamed too; graph outputs stay.</summary>
    /// <param name="old">The value that is read now.</param>
    /// <param name="replacement">The value to read.</param>
    /// <param name="except">A node that goes on reading the old value.</param>
    public static void ReplaceUses(Value old, Value replacement, Node? except = null)
    {
        ArgumentNullException.ThrowIfNull(old);
        foreach (Use use in old.Uses.Where(use => use.Node != except).ToArray())
        {
            if (use.Input == Use.Subgraph)
            {
                Subgraphs.Rename(use.Node, old.Name, replacement.Name);
                old.RemoveUse(use);
                replacement.AddUse(use);
            }
            else
            {
                use.Node.SetInput(use.Input, replacement);
            }
        }
    }

    /// <summary>Lets two values change places: each is computed by the other's node and read by the other's readers. Names stay, so that a graph output keeps its own.</summary>
    /// <param name="a">A node output that no subgraph reads.</param>
    /// <param name="b">Another one.</param>
    /// <exception cref="InvalidOperationException">One of them is not computed by a node, or a subgraph reads it.</exception>
    public static void Exchange(Value a, Value b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (!CanExchange(a, b))
        {
            throw new InvalidOperationException($"{a} and {b} cannot change places.");
        }
        (Node first, Node second) = (a.Producer!, b.Producer!);
        (int indexOfA, int indexOfB) = (first.Outputs.ToList().IndexOf(a), second.Outputs.ToList().IndexOf(b));
        (Use[] readersOfA, Use[] readersOfB) = ([.. a.Uses], [.. b.Uses]);
        first.SetOutput(indexOfA, b);
        second.SetOutput(indexOfB, a);
        foreach (Use use in readersOfA)
        {
            use.Node.SetInput(use.Input, b);
        }
        foreach (Use use in readersOfB)
        {
            use.Node.SetInput(use.Input, a);
        }
    }

    /// <summary>Whether two values can change places: nodes compute both, and no subgraph reads one of them.</summary>
    /// <param name="a">A value.</param>
    /// <param name="b">Another one.</param>
    public static bool CanExchange(Value a, Value b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return a.Producer is not null && b.Producer is not null && !a.Uses.Concat(b.Uses).Any(use => use.Input == Use.Subgraph);
    }

    /// <summary>Removes every node and initializer that no graph output needs.</summary>
    /// <param name="named">Which names may go; null for all. Nothing else may read what goes.</param>
    public void RemoveUnused(Func<string, bool>? named = null)
    {
        named ??= _ => true;
        IReadOnlySet<Node> needed = NodeOrder.Reaching(_outputs, this);
        HashSet<Node> unused = [.. _nodes.Where(node => named(node.Name) && !needed.Contains(node))];
        foreach (Node node in unused)
        {
            for (int i = 0; i < node.Inputs.Count; i++)
            {
                node.SetInput(i, null);
            }
            foreach (Value captured in Subgraphs.Captured(node, Find))
            {
                captured.RemoveUse(new Use(node, Use.Subgraph));
            }
        }
        foreach (Value output in unused.SelectMany(node => node.Outputs).OfType<Value>())
        {
            _values.Remove(output.Name);
        }
        _nodes.RemoveAll(unused.Contains);
        foreach (Value value in _values.Values.Where(v => v is { Initializer: not null, IsGraphOutput: false, IsGraphInput: false, Uses.Count: 0 } && named(v.Name)).ToArray())
        {
            _values.Remove(value.Name);
        }
    }

    internal Node AddNode(NodeProto proto, List<Value?> inputs, List<Value?> outputs)
    {
        Node node = new(proto, inputs, outputs);
        for (int i = 0; i < inputs.Count; i++)
        {
            inputs[i]?.AddUse(new Use(node, i));
        }
        foreach (Value captured in Subgraphs.Captured(node, Find))
        {
            captured.AddUse(new Use(node, Use.Subgraph));
        }
        foreach (Value output in outputs.OfType<Value>())
        {
            output.Producer = node;
        }
        _nodes.Add(node);
        return node;
    }

    internal Value NewValue(string name)
    {
        Value value = new(name);
        return _values.TryAdd(name, value) ? value : throw new ModelRefusedException("Two values have the same name", $"value '{name}'", remedy: "export the model again; ONNX graphs are in single-assignment form");
    }

    internal GraphProto ToProto()
    {
        GraphProto proto = _header.Clone();
        proto.Input.AddRange(_inputs.Select(Declare));
        proto.Output.AddRange(_outputs.Select(Declare));
        proto.Initializer.AddRange(_values.Values.Where(v => v.Initializer is not null).Select(v => v.Initializer!.Proto));
        foreach (Node node in NodeOrder.Topological(_nodes))
        {
            NodeProto written = node.Proto.Clone();
            written.Input.Clear();
            written.Output.Clear();
            written.Input.AddRange(node.Inputs.Select(value => value?.Name ?? ""));
            written.Output.AddRange(node.Outputs.Select(value => value?.Name ?? ""));
            proto.Node.Add(written);
        }
        proto.ValueInfo.AddRange(_values.Values.Where(v => v is { Declaration: not null, IsGraphInput: false, IsGraphOutput: false }).Select(Declare));
        return proto;
    }

    private static ValueInfoProto Declare(Value value)
    {
        ValueInfoProto declaration = value.Declaration?.Clone() ?? new ValueInfoProto { Name = value.Name };
        declaration.Type = value.Type;
        return declaration;
    }
}
