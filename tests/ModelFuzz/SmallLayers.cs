namespace AlignerOnnx.ModelFuzz;

/// <summary>Layers of forms that no real export beside the repository has: hidden size 8, two heads of 4.</summary>
internal static class SmallLayers
{
    public static IReadOnlyList<(string Name, string Text)> All { get; } =
    [
        ("com.microsoft Attention", Around("[core] a = com.microsoft.Attention <num_heads = 2, unidirectional = 1, qkv_hidden_sizes = [8, 8, 8]> (x, wqkv, bqkv)")),
        ("PagedAttention", Around("[core] a, c, d = com.microsoft.PagedAttention <num_heads = 2, kv_num_heads = 2, do_rotary = 1> (q, k, v, past_key, past_value, positions, positions, positions, cos, sin)")),
        ("packed MultiHeadAttention", Around("five = Constant <value_ints = [0, 0, 2, 3, 4]> () m = MatMul (x, wqkv) r = Reshape (m, five) [core] a = com.microsoft.MultiHeadAttention <num_heads = 2, unidirectional = 1> (r)")),
        ("dynamic quantisation", Around("""
            z = Constant <value = float[1] {1}> () [quantised] q8, qs, qz = DynamicQuantizeLinear (x) [low] kd = MatMulInteger (q8, w8, qz) kf = Cast <to = 1> (kd) ks = Mul (qs, z) k2 = Mul (kf, ks)
            [core] a = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k2, v)
            """)),
        ("rotary and RMS norms of ai.onnx", Around("""
            qh = Reshape (q, heads) qt = Transpose <perm = [0, 2, 1, 3]> (qh) qn = RMSNormalization <axis = -1> (qt, norm) kh = Reshape (k, heads) kt = Transpose <perm = [0, 2, 1, 3]> (kh) kn = RMSNormalization <axis = -1> (kt, norm)
            vh = Reshape (v, heads) vt = Transpose <perm = [0, 2, 1, 3]> (vh) qr = RotaryEmbedding (qn, cos, sin, positions) kr = RotaryEmbedding (kn, cos, sin, positions)
            [core] h = Attention <is_causal = 1> (qr, kr, vt) t = Transpose <perm = [0, 2, 1, 3]> (h) a = Reshape (t, flat)
            """)),
    ];

    private static string Around(string core) => $$"""
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        decoder (int64[b, s] input_ids, float[b, 2, past, 4] past_key, float[b, 2, past, 4] past_value, int64[b, s] positions) => (float[b, s, 8] logits)
            <float[16, 8] embedding = ["location": "table"], float[8, 8] wq = ["location": "wq"], float[8, 8] wk = ["location": "wk"], float[8, 8] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"],
             int8[8, 8] w8 = ["location": "w8"], float[8, 24] wqkv = ["location": "wqkv"], float[24] bqkv = ["location": "bqkv"], float[16, 2] cos = ["location": "cos"], float[16, 2] sin = ["location": "sin"],
             float[4] norm = ["location": "norm"], int64[4] heads = {0, 0, 2, 4}, int64[3] flat = {0, 0, 8}>
        {
            x = Gather (embedding, input_ids)
            [query] q = MatMul (x, wq)
            [key] k = MatMul (x, wk)
            [value] v = MatMul (x, wv)
            {{core}}
            [output] o = MatMul (a, wo)
            [residual] logits = Add (x, o)
        }
        """;
}
