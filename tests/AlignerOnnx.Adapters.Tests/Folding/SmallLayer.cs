using System.Globalization;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Folding;

/// <summary>One decoder layer of hidden size 32 around nodes in ONNX text that compute a, what attention gives, from x; its tensors are filled at random.</summary>
internal static class SmallLayer
{
    public const int Hidden = 32;

    private const string Text = """
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (float[1, 1, 32] x) => (float[1, 1, 32] y, float[b, s, h] a) <int32[1] lengths = {0}, int32[1] total = {1}>
        {
            NODES
            o = MatMul (a, wo)
            y = Add (x, o)
        }
        """;

    /// <summary>The model.</summary>
    /// <param name="nodes">Nodes that compute a.</param>
    /// <param name="tensors">What they read: "name type[shape]" at random, or "name = integers", separated by semicolons; "/shape" behind integers gives them a shape.</param>
    /// <param name="random">The source of numbers.</param>
    public static OnnxModel Of(string nodes, string tensors, Random random)
    {
        ModelProto proto = OnnxText.Parse(Text.Replace("NODES", nodes, StringComparison.Ordinal));
        foreach (string one in tensors.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            proto.Graph.Initializer.Add(Read(one, random));
        }
        return ModelLoader.FromProto(proto);
    }

    private static TensorProto Read(string text, Random random)
    {
        string[] parts = text.Split(' ', 2);
        if (parts[1].StartsWith('='))
        {
            string[] halves = parts[1][1..].Split('/');
            long[] numbers = Numbers(halves[0], ' ');
            return Tensor.Of(parts[0], numbers, halves.Length > 1 ? Numbers(halves[1], ',') : [numbers.Length]);
        }
        int bracket = parts[1].IndexOf('[', StringComparison.Ordinal);
        return Fill(parts[0], parts[1][..bracket], Numbers(parts[1][(bracket + 1)..^1], ','), random);
    }

    private static long[] Numbers(string text, char separator) =>
        [.. text.Split(separator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(number => long.Parse(number, CultureInfo.InvariantCulture))];

    /// <summary>
    /// A tensor of random elements: floating point between -0.2 and 0.2, integers over their whole range, "order" the groups of columns in a random order, "middle" the
    /// zero points of symmetric 4-bit weights, "int7" int8 numbers from -64 to 63: with larger ones ONNX Runtime's int8 products saturate on processors with AVX2 alone.
    /// </summary>
    private static TensorProto Fill(string name, string type, long[] shape, Random random)
    {
        long count = shape.Aggregate(1L, (a, b) => a * b);
        switch (type)
        {
            case "middle":
                byte[] middle = new byte[count];
                Array.Fill(middle, (byte)0x88);
                return Tensor.Inline(name, DataType.Uint8, middle, shape);
            case "order":
                int[] groups = [.. Enumerable.Range(0, (int)count).Select(column => column / 16)];
                random.Shuffle(groups);
                return Tensor.Inline(name, DataType.Int32, MemoryMarshal.AsBytes(groups.AsSpan()), shape);
            case "int7":
                return Tensor.Inline(name, DataType.Int8, [.. Enumerable.Range(0, (int)count).Select(_ => unchecked((byte)random.Next(-64, 64)))], shape);
            default:
                DataType elements = Enum.Parse<DataType>(type, ignoreCase: true);
                return Tensor.Inline(name, elements, Bytes(elements, count, random), shape);
        }
    }

    private static byte[] Bytes(DataType type, long count, Random random)
    {
        if (type is DataType.Float or DataType.Float16 or DataType.Bfloat16)
        {
            return FloatEncoding.ToBytes([.. Enumerable.Range(0, (int)count).Select(_ => (random.NextSingle() * 0.4f) - 0.2f)], type);
        }
        byte[] bytes = new byte[ElementTypes.ByteLength(type, count)];
        random.NextBytes(bytes);
        return bytes;
    }
}
