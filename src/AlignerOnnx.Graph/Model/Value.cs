using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>One value of a graph: a graph input, an initializer or a node output. It knows where it comes from and who reads it.</summary>
public sealed class Value
{
    private readonly List<Use> _uses = [];

    internal Value(string name) => Name = name;

    /// <summary>The name, unique in the graph.</summary>
    public string Name { get; }

    /// <summary>The node that computes it; null for graph inputs and initializers.</summary>
    public Node? Producer { get; internal set; }

    /// <summary>Every place that reads it, in the order in which the nodes were added.</summary>
    public IReadOnlyList<Use> Uses => _uses;

    /// <summary>The stored tensor; null unless the value is an initializer.</summary>
    public Tensor? Initializer { get; internal set; }

    /// <summary>Whether a caller may feed it (an overridable initializer is both an input and an initializer).</summary>
    public bool IsGraphInput { get; internal set; }

    /// <summary>Whether the graph returns it.</summary>
    public bool IsGraphOutput { get; internal set; }

    /// <summary>The declared type and shape; null where the file does not say.</summary>
    public TypeProto? Type { get; set; }

    /// <summary>Whether its content is fixed: an initializer that no caller can override.</summary>
    public bool IsConstant => Initializer is not null && !IsGraphInput;

    /// <summary>The element type that is declared or stored; undefined where the file does not say.</summary>
    public TensorProto.Types.DataType ElementType =>
        Initializer?.ElementType ?? (TensorProto.Types.DataType)(Type?.TensorType?.ElemType ?? 0);

    internal ValueInfoProto? Declaration { get; set; }

    internal void AddUse(Use use) => _uses.Add(use);

    internal void RemoveUse(Use use) => _uses.Remove(use);

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A place that reads a value.</summary>
/// <param name="Node">The node that reads it.</param>
/// <param name="Input">The index of its input, or <see cref="Subgraph"/> where a graph inside an attribute reads it.</param>
public readonly record struct Use(Node Node, int Input)
{
    /// <summary>Stands for a read from inside a subgraph (the branches of If, the body of Loop).</summary>
    public const int Subgraph = -1;
}
