using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Queries, keys and values of a fused attention node, apart and with heads side by side, as the node reads them.</summary>
/// <param name="Query">[b, s, H * head size].</param>
/// <param name="Key">[b, s, key heads * head size].</param>
/// <param name="Value">Of the same shape.</param>
/// <param name="KeyHeads">Heads of keys and values in these operands: G, or H where the graph has repeated them.</param>
internal sealed record FusedOperands(Value Query, Value Key, Value Value, long KeyHeads)
{
    /// <summary>Why a site cannot be lowered; null where it can.</summary>
    public static string? WhyNot(AttentionSite site) =>
        site.QueryOperand is null or { Interleaved: true } or { Layout: HeadLayout.Flat } ? "its queries are hidden in the operator"
        : site.QueryOperand is { IsNormalised: false } && site.QueryNormalization is { PerHead: false } ? "queries are normalised over all heads inside the operator"
        : null;

    /// <summary>Takes the operands of a site that can be lowered.</summary>
    public static FusedOperands Of(OpEmitter emit, AttentionSite site)
    {
        Node core = site.Core;
        QueryOperand operand = site.QueryOperand!;
        if (core.Input(1) is not { } key || core.Input(2) is not { } value)
        {
            Value[] parts = emit.Split(operand.Value, axis: 2, site.Query.Count, site.Key.Count, site.Value.Count);
            return new FusedOperands(parts[0], parts[1], parts[2], site.KeyValueHeads);
        }
        long keyHeads = site.AreKeysRepeated ? site.QueryHeads : site.KeyValueHeads;
        return new FusedOperands(
            InSequence(emit, operand.Value, operand, site.QueryHeads * site.HeadSize, 0),
            InSequence(emit, key, operand, keyHeads * site.HeadSize, site.Query.Count),
            InSequence(emit, value, operand, keyHeads * site.HeadSize, site.Query.Count + (keyHeads * site.HeadSize)),
            keyHeads);
    }

    /// <summary>[b, s, heads * head size], with the part of the node's own bias that starts there.</summary>
    private static Value InSequence(OpEmitter emit, Value heads, QueryOperand operand, long size, long biasStart)
    {
        Value flat = operand.Layout switch
        {
            HeadLayout.HeadMajor => emit.Reshape(emit.Transpose(heads, 0, 2, 1, 3), 0, 0, size),
            HeadLayout.SequenceHeads => emit.Reshape(heads, 0, 0, size),
            _ => heads,
        };
        return operand.Bias is { } bias ? emit.Add(flat, emit.Slice(bias, 0, biasStart, size)) : flat;
    }
}
