using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.GraphRewrites.Tests.Rules;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Layers of every form with attributes, inputs, outputs, operators and shapes changed at random: recognition answers, patching refuses, and neither fails in another way.</summary>
[TestClass]
public sealed class DamagedModelTests
{
    private const int Seed = 20;
    private const int InputsPerForm = 400;

    private static readonly long[] Numbers = [0, 1, -1, 2, 3, 4, 5, 8, 16, 24, 4096, int.MaxValue, long.MaxValue, long.MinValue, 1L << 40, -(1L << 40), 1L << 62];

    private static readonly string[] Operators =
        ["MatMul", "Gemm", "Add", "Mul", "Reshape", "Transpose", "Split", "Slice", "Cast", "Identity", "Concat", "Expand", "Unsqueeze", "RotaryEmbedding", "Attention", "DequantizeLinear", "MatMulNBits",
         "GroupQueryAttention", "MultiHeadAttention", "PagedAttention", "SimplifiedLayerNormalization", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "Softmax", "Constant", "FusedMatMul", "If"];

    public static IEnumerable<object[]> Forms =>
    [
        [Decoders.Separate], [Decoders.Packed],
        [OtherFormTests.With("m = MatMul (x, wqkv) q2, k2, v2 = Split <axis = -1> (m, heads) a = com.microsoft.MultiHeadAttention <num_heads = 2> (q2, k2, v2, bqkv, , , past_key, past_value)")],
        [OtherFormTests.With("five = Constant <value_ints = [0, 0, 2, 3, 4]> () m = MatMul (x, wqkv) r = Reshape (m, five) a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)")],
        [OtherFormTests.With("a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [8, 8, 8]> (x, wqkv, bqkv)")],
        [OtherFormTests.With("a, c, d = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, past_key, past_value, positions, positions, positions, cos, sin)")],
        [OtherFormTests.With("""
            qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh)
            qr = RotaryEmbedding (qt, cos, sin, positions) kr = RotaryEmbedding (kt, cos, sin, positions) h = Attention <is_causal = 1> (qr, kr, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)
            """)],
        [OtherFormTests.With("""
            s1 = Constant <value = float[16] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}> () e = Constant <value = uint8[8, 1, 8] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}> ()
            v2 = com.microsoft.MatMulNBits <K = 8, N = 8, bits = 4, block_size = 16> (x, e, s1) a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k, v2)
            """)],
    ];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Recognise_OfADamagedLayer_AnswersOrRefuses(string text)
    {
        Random random = new(Seed);
        for (int input = 0; input < InputsPerForm; input++)
        {
            ModelProto proto = OnnxText.Parse(text);
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                Damage(proto.Graph, random);
            }
            string damaged = proto.ToString();
            try
            {
                OnnxModel model = ModelLoader.FromProto(proto);
                RecognisedModel recognised = RecognisedModel.Of(model);
                Assert.IsTrue(recognised.Cores.All(core => core.Match.Success || core.Match.Reason.Length > 0));
                foreach (SlotLayout layout in SlotLayouts.All)
                {
                    SlotLayouts.WhyNot(model, layout);
                }
            }
            catch (ModelRefusedException)
            {
                // A refusal is an answer.
            }
            catch (Exception other) when (other is not AssertFailedException)
            {
                throw new AssertFailedException($"seed {Seed}, input {input}: {other.GetType().Name}: {other.Message}\n{other.StackTrace}\n{damaged}", other);
            }
        }
    }

    private static void Damage(GraphProto graph, Random random)
    {
        NodeProto node = graph.Node[random.Next(graph.Node.Count)];
        switch (random.Next(8))
        {
            case 0 when node.Attribute.Count > 0:
                Damage(node.Attribute[random.Next(node.Attribute.Count)], random);
                break;
            case 1 when node.Input.Count > 0:
                node.Input[random.Next(node.Input.Count)] = AnyName(graph, random);
                break;
            case 2 when node.Input.Count > 0:
                node.Input.RemoveAt(random.Next(node.Input.Count));
                break;
            case 3 when node.Output.Count > 0:
                node.Output[random.Next(node.Output.Count)] = "";
                break;
            case 4:
                node.OpType = Operators[random.Next(Operators.Length)];
                node.Domain = random.Next(2) == 0 ? "" : Domains.Microsoft;
                break;
            case 5:
                TensorProto tensor = graph.Initializer[random.Next(graph.Initializer.Count)];
                tensor.DataType = random.Next(0, 24);
                break;
            case 6:
                TensorProto shaped = graph.Initializer[random.Next(graph.Initializer.Count)];
                shaped.Dims[random.Next(shaped.Dims.Count)] = Math.Abs(Numbers[random.Next(8)]);
                break;
            default:
                node.Attribute.Add(new AttributeProto { Name = random.Next(2) == 0 ? "do_rotary" : "axis", Type = AttributeType.Int, I = Numbers[random.Next(Numbers.Length)] });
                break;
        }
    }

    private static void Damage(AttributeProto attribute, Random random)
    {
        attribute.I = Numbers[random.Next(Numbers.Length)];
        if (attribute.Ints.Count > 0)
        {
            attribute.Ints[random.Next(attribute.Ints.Count)] = attribute.I;
        }
        if (attribute.T is { Dims.Count: > 0 } tensor)
        {
            tensor.Dims[random.Next(tensor.Dims.Count)] = attribute.I;
        }
    }

    private static string AnyName(GraphProto graph, Random random)
    {
        string[] names = [.. graph.Input.Select(value => value.Name), .. graph.Initializer.Select(value => value.Name), .. graph.Node.SelectMany(node => node.Output), ""];
        return names[random.Next(names.Length)];
    }
}
