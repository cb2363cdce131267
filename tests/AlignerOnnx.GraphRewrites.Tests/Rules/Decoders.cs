namespace AlignerOnnx.GraphRewrites.Tests.Rules;

/// <summary>Small decoders in ONNX text that rule tests vary: hidden size 8, two query heads, one key/value head of 4.</summary>
internal static class Decoders
{
    /// <summary>One layer of GroupQueryAttention with separate projections.</summary>
    public const string Separate = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total)
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 8] wq = ["location": "wq"], float[8, 4] wk = ["location": "wk"], float[8, 4] wv = ["location": "wv"], float[8, 8] wo = ["location": "wo"]>
        {
            [query] q = MatMul (x, wq)
            [key] k = MatMul (x, wk)
            [value] v = MatMul (x, wv)
            [core] a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, scale = 0.25> (q, k, v, past_key, past_value, lengths, total)
            [output] o = MatMul (a, wo)
            [residual] y = Add (x, o)
        }
        """;

    /// <summary>The same with one packed projection [q | k | v] of 8 + 4 + 4 elements.</summary>
    public const string Packed = """
        <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
        decoder (float[b, s, 8] x, float[b, 1, past, 4] past_key, float[b, 1, past, 4] past_value, int32[b] lengths, int32 total)
            => (float[b, s, 8] y, float[b, 1, all, 4] present_key, float[b, 1, all, 4] present_value)
            <float[8, 16] wqkv = ["location": "wqkv"], float[8, 8] wo = ["location": "wo"]>
        {
            [packed] qkv = MatMul (x, wqkv)
            [core] a, present_key, present_value = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1> (qkv, , , past_key, past_value, lengths, total)
            [output] o = MatMul (a, wo)
            [residual] y = Add (x, o)
        }
        """;
}
