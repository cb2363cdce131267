using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>One operator of a graph.</summary>
public sealed class Node
{
    private readonly List<Value?> _inputs;
    private readonly List<Value?> _outputs;

    internal Node(NodeProto proto, List<Value?> inputs, List<Value?> outputs)
    {
        Proto = proto;
        _inputs = inputs;
        _outputs = outputs;
        Attributes = new NodeAttributes(proto);
    }

    /// <summary>The operator's name, for example <c>MatMul</c>.</summary>
    public string OpType => Proto.OpType;

    /// <summary>The operator's domain; empty for the ONNX standard operators.</summary>
    public string Domain => Domains.Normalise(Proto.Domain);

    /// <summary>The node's name; may be empty, and is never used to recognise anything.</summary>
    public string Name => Proto.Name;

    /// <summary>The inputs; null where an optional input is absent.</summary>
    public IReadOnlyList<Value?> Inputs => _inputs;

    /// <summary>The outputs; null where an optional output is absent.</summary>
    public IReadOnlyList<Value?> Outputs => _outputs;

    /// <summary>The attributes.</summary>
    public NodeAttributes Attributes { get; }

    internal NodeProto Proto { get; }

    /// <summary>The first output.</summary>
    /// <exception cref="ModelRefusedException">The node has none.</exception>
    public Value Output => _outputs.Count > 0 && _outputs[0] is { } output
        ? output
        : throw new ModelRefusedException("A node has no first output", ToString(), remedy: "export the model again");

    /// <summary>The input at an index; null where it is absent or the node has fewer inputs.</summary>
    public Value? Input(int index) => index < _inputs.Count ? _inputs[index] : null;

    /// <summary>Whether the node is this operator.</summary>
    public bool Is(string opType, string domain = Domains.Standard) => OpType == opType && Domain == domain;

    /// <summary>Lets one input read another value; both values know it.</summary>
    /// <param name="index">An input that the node has.</param>
    /// <param name="value">The value to read.</param>
    public void Rewire(int index, Value value) => SetInput(index, value);

    internal void SetOutput(int index, Value value)
    {
        _outputs[index] = value;
        value.Producer = this;
    }

    internal void SetInput(int index, Value? value)
    {
        _inputs[index]?.RemoveUse(new Use(this, index));
        _inputs[index] = value;
        value?.AddUse(new Use(this, index));
    }

    /// <inheritdoc/>
    public override string ToString() => $"{OpType} '{Name}'";
}

/// <summary>Operator domains.</summary>
public static class Domains
{
    /// <summary>The ONNX standard operators.</summary>
    public const string Standard = "";

    /// <summary>ONNX Runtime's contributed operators.</summary>
    public const string Microsoft = "com.microsoft";

    /// <summary>The standard domain has two spellings; this gives the empty one.</summary>
    public static string Normalise(string domain) => domain == "ai.onnx" ? Standard : domain;
}
