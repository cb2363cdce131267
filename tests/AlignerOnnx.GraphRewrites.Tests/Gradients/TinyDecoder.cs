using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Gradients;

/// <summary>
/// A decoder in ONNX text that runs in milliseconds: two layers of hidden size 32 with two query heads of 16 over one key/value head, rotated, a gated feed-forward part of 8, and ten words.
/// Weights are random numbers of one seed.
/// </summary>
internal static class TinyDecoder
{
    public const int Layers = 2;
    public const int Hidden = 32;
    public const int Heads = 2;
    public const int Words = 10;

    /// <summary>The nodes that make the logits of the last hidden state, <c>last</c>.</summary>
    public const string Float32Head = "logits = MatMul (last, head)";

    /// <summary>The same from a quantised weight of 4 bits.</summary>
    public const string QuantisedHead = "logits = com.microsoft.MatMulNBits <N = 10, K = 32, bits = 4, block_size = 16> (last, elements, scales, zeros)";

    /// <summary>The nodes that pick the rows of the batch.</summary>
    public const string Embedding = "x0 = Gather (table, input_ids)";

    /// <summary>The decoder as text.</summary>
    public static readonly string Text = $$"""
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, int64[b, s] attention_mask, float[b, 1, past, 16] past_key, float[b, 1, past, 16] past_value) => (float[b, s, 10] logits, float[b, 1, all, 16] present_key)
            <float[10, 32] table = ["location": "table"], float[32] norm = ["location": "norm"], float[32, 10] head = ["location": "head"],
             float[32, 32] wq = ["location": "wq"], float[32, 16] wk = ["location": "wk"], float[32, 16] wv = ["location": "wv"], float[32, 32] wo = ["location": "wo"],
             float[32, 8] wg = ["location": "wg"], float[32, 8] wu = ["location": "wu"], float[8, 32] wd = ["location": "wd"], float[9, 8] cosines = ["location": "c"], float[9, 8] sines = ["location": "s"],
             uint8[10, 2, 8] elements = ["location": "e"], float[20] scales = ["location": "sc"], uint8[10] zeros = ["location": "z"], int32[2] lengths = {4, 4}, int32 total = {5}>
        {
            {{Embedding}}
            {{Layer(0, 1)}}
            {{Layer(1, 2)}}
            last = SimplifiedLayerNormalization <epsilon = 0.01> (x2, norm)
            {{Float32Head}}
        }
        """;

    /// <summary>A model of a text, with weights.</summary>
    public static OnnxModel Load(string text)
    {
        OnnxModel model = OnnxText.Load(text);
        RandomWeights.Fill(model);
        return model;
    }

    /// <summary>A run on two sequences of five tokens, the second padded by one, with five targets in one pair of answers.</summary>
    /// <param name="runner">A training graph.</param>
    /// <param name="tokens">[N, 32].</param>
    /// <param name="gates">[layers, 2].</param>
    public static IReadOnlyDictionary<string, float[]> Run(GraphRunner runner, float[] tokens, float[] gates) => runner.Run(
        ("input_ids", new long[] { 3, 7, 1, 0, 9, 2, 2, 8, 5, 4 }, [2, 5]), ("attention_mask", new long[] { 1, 1, 1, 1, 1, 1, 1, 1, 1, 0 }, [2, 5]),
        ("target_positions", new long[] { 1, 2, 3, 5, 7 }, [5]), ("target_ids", new long[] { 1, 0, 9, 2, 5 }, [5]), ("target_weights", new[] { 0.5f, 0.2f, 0.1f, 0.7f, 0.3f }, [5]),
        ("target_sequences", new long[] { 0, 0, 0, 1, 1 }, [5]), ("sequence_weights", new[] { 1f, 1f, 0.5f, 1f, 0.5f }, [5]), ("reference_log_probabilities", new[] { -6f, -5f }, [2]), ("pair_weights", new[] { 0.7f }, [1]),
        ("kept_log_probabilities", new[] { -2f, -3f, -2f, -1f, -2f }, [5]), ("kept_weights", new[] { 0.1f, 0, 0.2f, 0, 0.1f }, [5]),
        ("aligner.tokens", tokens, [tokens.Length / Hidden, Hidden]), ("aligner.gates", gates, [gates.Length / Heads, Heads]));

    private static string Layer(int before, int after) => $$"""
        n{{after}} = SimplifiedLayerNormalization <epsilon = 0.01> (x{{before}}, norm)
        q{{after}} = MatMul (n{{after}}, wq)
        k{{after}} = MatMul (n{{after}}, wk)
        v{{after}} = MatMul (n{{after}}, wv)
        a{{after}}, {{(after == 1 ? "present_key" : "present2")}} = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, do_rotary = 1> (q{{after}}, k{{after}}, v{{after}}, past_key, past_value, lengths, total, cosines, sines)
        o{{after}} = MatMul (a{{after}}, wo)
        m{{after}} = Add (x{{before}}, o{{after}})
        f{{after}} = SimplifiedLayerNormalization <epsilon = 0.01> (m{{after}}, norm)
        gate{{after}} = MatMul (f{{after}}, wg)
        up{{after}} = MatMul (f{{after}}, wu)
        sigmoid{{after}} = Sigmoid (gate{{after}})
        activated{{after}} = Mul (gate{{after}}, sigmoid{{after}})
        product{{after}} = Mul (activated{{after}}, up{{after}})
        down{{after}} = MatMul (product{{after}}, wd)
        x{{after}} = Add (m{{after}}, down{{after}})
        """;
}
