using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites;

/// <summary>Adds nodes to a graph under a common name prefix and gives back their outputs, so that rewrites read like formulas.</summary>
internal sealed class OpEmitter(OnnxGraph graph, string prefix)
{
    public OnnxGraph Graph => graph;

    /// <summary>An emitter with a longer prefix.</summary>
    public OpEmitter Within(string part) => new(graph, $"{prefix}.{part}");

    /// <summary>Emits a standard operator with one output.</summary>
    public Value Op(string opType, IReadOnlyList<Value?> inputs, params ReadOnlySpan<AttributeProto> attributes) => Emit(opType, Domains.Standard, inputs, 1, attributes)[0];

    /// <summary>Emits a com.microsoft operator with one output.</summary>
    public Value MicrosoftOp(string opType, IReadOnlyList<Value?> inputs, params ReadOnlySpan<AttributeProto> attributes) => Emit(opType, Domains.Microsoft, inputs, 1, attributes)[0];

    /// <summary>Emits a standard operator whose output has a name of its own: an output of the graph.</summary>
    public Value Named(string name, string opType, params IReadOnlyList<Value?> inputs) => graph.AddNode(opType, Domains.Standard, name, inputs, [name]).Output;

    /// <summary>Emits an operator with several outputs.</summary>
    public Value[] Emit(string opType, string domain, IReadOnlyList<Value?> inputs, int outputs, params ReadOnlySpan<AttributeProto> attributes)
    {
        string name = graph.UniqueName($"{prefix}.{opType}");
        string?[] names = [.. Enumerable.Range(0, outputs).Select(i => i == 0 ? name : graph.UniqueName($"{prefix}.{opType}.{i}"))];
        Node node = graph.AddNode(opType, domain, name, inputs, names, attributes);
        return [.. node.Outputs.Select(output => output!)];
    }

    /// <summary>Puts an operator in the place of a node, which goes: it computes the node's outputs, all of which must be there; they keep their names and readers.</summary>
    public void InPlaceOf(Node node, string opType, string domain, IReadOnlyList<Value?> inputs, params ReadOnlySpan<AttributeProto> attributes)
    {
        foreach ((Value? output, Value fresh) in node.Outputs.ToArray().Zip(Emit(opType, domain, inputs, node.Outputs.Count, attributes)))
        {
            OnnxGraph.Exchange(output!, fresh);
            OnnxGraph.ReplaceUses(fresh, output!);
        }
        graph.RemoveNode(node);
    }

    public Value Add(Value a, Value b) => Op("Add", [a, b]);

    public Value Sub(Value a, Value b) => Op("Sub", [a, b]);

    public Value Mul(Value a, Value b) => Op("Mul", [a, b]);

    public Value MatMul(Value a, Value b) => Op("MatMul", [a, b]);

    /// <summary>com.microsoft.FusedMatMul: alpha * op(a) op(b), op transposing the last two axes where asked.</summary>
    public Value FusedMatMul(Value a, Value b, bool transposeA = false, bool transposeB = false, float alpha = 1) => MicrosoftOp(
        "FusedMatMul", [a, b], NodeAttributes.Of("transA", transposeA ? 1 : 0), NodeAttributes.Of("transB", transposeB ? 1 : 0), NodeAttributes.Of("alpha", alpha));

    /// <summary>Reshape; 0 keeps the dimension of that index, -1 takes what is left.</summary>
    public Value Reshape(Value value, params ReadOnlySpan<long> shape) => Op("Reshape", [value, Integers(shape)]);

    public Value Transpose(Value value, params ReadOnlySpan<long> permutation) => Op("Transpose", [value], NodeAttributes.Of("perm", permutation));

    /// <summary>Sum over axes.</summary>
    public Value ReduceSum(Value value, bool keepDimensions, params ReadOnlySpan<long> axes) => Op("ReduceSum", [value, Integers(axes)], NodeAttributes.Of("keepdims", keepDimensions ? 1 : 0));

    /// <summary>Elements first .. first + count - 1 along an axis.</summary>
    public Value Slice(Value value, long axis, long first, long count) => Op("Slice", [value, Integers([first]), Integers([first + count]), Integers([axis])]);

    /// <summary>Splits along an axis into parts of given sizes.</summary>
    public Value[] Split(Value value, long axis, params ReadOnlySpan<long> sizes) => Emit("Split", Domains.Standard, [value, Integers(sizes)], sizes.Length, NodeAttributes.Of("axis", axis));

    /// <summary>Root-mean-square normalization over the last axis. The second output, which gradients read, is there too.</summary>
    public Value SimplifiedLayerNormalization(Value value, Value weight, float epsilon) => Emit("SimplifiedLayerNormalization", Domains.Standard, [value, weight], 2,
        NodeAttributes.Of("epsilon", epsilon), NodeAttributes.Of("axis", -1L), NodeAttributes.Of("stash_type", 1L))[0];

    /// <summary>A list of integers, stored once however often it is asked for.</summary>
    public Value Integers(params ReadOnlySpan<long> numbers)
    {
        string name = $"aligner.constant.{string.Join('_', numbers.ToArray())}";
        return graph.Find(name) ?? graph.AddInitializer(Tensor.Of(name, numbers, numbers.Length));
    }

    /// <summary>An integer without dimensions, int64 or int32.</summary>
    public Value Integer(long number, DataType type = DataType.Int64)
    {
        string name = $"aligner.constant.{type}.{number}";
        return graph.Find(name) ?? graph.AddInitializer(Tensor.Inline(name, type, type == DataType.Int32 ? BitConverter.GetBytes((int)number) : BitConverter.GetBytes(number)));
    }

    /// <summary>A scalar of an element type (float32, float16, bfloat16).</summary>
    public Value Scalar(float number, DataType type = DataType.Float)
    {
        string name = $"aligner.constant.{type}.{BitConverter.SingleToUInt32Bits(number):x8}";
        return graph.Find(name) ?? graph.AddInitializer(Tensor.Inline(name, type, FloatEncoding.ToBytes([number], type)));
    }
}
