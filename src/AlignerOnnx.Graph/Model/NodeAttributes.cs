using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Graph;

/// <summary>The attributes of one node, read by kind. A value of another kind than asked for is a refusal, not a cast.</summary>
public sealed class NodeAttributes
{
    private readonly NodeProto _node;

    internal NodeAttributes(NodeProto node) => _node = node;

    /// <summary>All attributes in the order of the file.</summary>
    public IReadOnlyList<AttributeProto> All => _node.Attribute;

    /// <summary>An integer attribute, or the operator's default where it is absent.</summary>
    /// <exception cref="ModelRefusedException">The attribute is of another kind.</exception>
    public long Int(string name, long absent) => Find(name, AttributeType.Int)?.I ?? absent;

    /// <summary>A float attribute, or the operator's default where it is absent.</summary>
    /// <exception cref="ModelRefusedException">The attribute is of another kind.</exception>
    public float Float(string name, float absent) => Find(name, AttributeType.Float)?.F ?? absent;

    /// <summary>A text attribute, or the operator's default where it is absent.</summary>
    /// <exception cref="ModelRefusedException">The attribute is of another kind.</exception>
    public string Text(string name, string absent) => Find(name, AttributeType.String)?.S.ToStringUtf8() ?? absent;

    /// <summary>A list of integers, or null where it is absent.</summary>
    /// <exception cref="ModelRefusedException">The attribute is of another kind.</exception>
    public IReadOnlyList<long>? Ints(string name) => Find(name, AttributeType.Ints)?.Ints;

    /// <summary>A tensor attribute, or null where it is absent.</summary>
    /// <exception cref="ModelRefusedException">The attribute is of another kind.</exception>
    public TensorProto? Tensor(string name) => Find(name, AttributeType.Tensor)?.T;

    /// <summary>Whether the attribute is present.</summary>
    public bool Has(string name) => _node.Attribute.Any(attribute => attribute.Name == name);

    /// <summary>Sets or replaces an attribute.</summary>
    public void Set(AttributeProto attribute)
    {
        ArgumentNullException.ThrowIfNull(attribute);
        AttributeProto? old = _node.Attribute.FirstOrDefault(a => a.Name == attribute.Name);
        if (old is not null)
        {
            _node.Attribute.Remove(old);
        }
        _node.Attribute.Add(attribute);
    }

    /// <summary>Makes an integer attribute.</summary>
    public static AttributeProto Of(string name, long value) => new() { Name = name, Type = AttributeType.Int, I = value };

    /// <summary>Makes a float attribute.</summary>
    public static AttributeProto Of(string name, float value) => new() { Name = name, Type = AttributeType.Float, F = value };

    /// <summary>Makes an attribute that is a list of integers.</summary>
    public static AttributeProto Of(string name, params ReadOnlySpan<long> values)
    {
        AttributeProto attribute = new() { Name = name, Type = AttributeType.Ints };
        attribute.Ints.AddRange(values.ToArray());
        return attribute;
    }

    /// <summary>Makes a string attribute.</summary>
    public static AttributeProto Of(string name, string value) =>
        new() { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(value) };

    /// <summary>Makes a tensor attribute.</summary>
    public static AttributeProto Of(string name, TensorProto value) => new() { Name = name, Type = AttributeType.Tensor, T = value };

    private AttributeProto? Find(string name, AttributeType kind)
    {
        AttributeProto? attribute = _node.Attribute.FirstOrDefault(a => a.Name == name);
        if (attribute is not null && attribute.Type != kind)
        {
            throw new ModelRefusedException(
                "An attribute has the wrong kind", $"node '{_node.Name}' ({_node.OpType}), attribute {name}", attribute.Type.ToString(), kind.ToString(),
                "export the model again; the file does not follow the operator's definition");
        }
        return attribute;
    }
}
