using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Queries, keys and values of a fused attention node, apart and with heads side by side, as the node reads them.</summary>
/// <param name="Query">[b, s, H * head size].</param>
/// <param name="Key">[b, s, key size].</param>
/// <param name="Value">Of the same shape.</param>
/// <param name="KeyHeads">Heads of keys and values in these operands: G, or H where the graph has repeated them.</param>
/// <param name="KeySize">The size of all those heads.</param>
internal sealed record FusedOperands(Value Query, Value Key, Value Value, long KeyHeads, long KeySize)
{
    /// <summary>Takes the operands of a site that can be lowered.</summary>
    public static FusedOperands Of(OpEmitter emit, AttentionSite site)
    {
        Node core = site.Core;
        QueryOperand operand = site.QueryOperand!;
        if (core.Input(1) is not { } key || core.Input(2) is not { } value)
        {
            Value[] parts = emit.Split(operand.Value, axis: 2, site.Query.Count, site.Key.Count, site.Value.Count);
            return new FusedOperands(parts[0], parts[1], parts[2], site.KeyValueHeads, site.Key.Count);
        }
        (long keyHeads, long querySize) = (site.AreKeysRepeated ? site.QueryHeads : site.KeyValueHeads, site.Query.Count);
        long keySize = keyHeads * site.HeadSize;
        return new FusedOperands(
            WithBias(emit, operand.Value, operand, querySize, 0),
            WithBias(emit, key, operand, keySize, querySize),
            WithBias(emit, value, operand, keySize, querySize + keySize),
            keyHeads, keySize);
    }

    /// <summary>[b, s, size], with the part of the node's own bias that starts there.</summary>
    private static Value WithBias(OpEmitter emit, Value heads, QueryOperand operand, long size, long biasStart)
    {
        Value flat = HeadArrangement.SideBySide(emit, heads, operand.Layout, size);
        return operand.Bias is { } bias ? emit.Add(flat, emit.Slice(bias, 0, biasStart, size)) : flat;
    }
}
