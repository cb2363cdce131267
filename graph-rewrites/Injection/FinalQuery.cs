using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>The queries of a layer as they meet keys. What the attention operator does to them inside (bias, normalization, rotary embedding) is done again outside.</summary>
internal sealed class FinalQuery(OnnxModel model)
{
    private readonly QueryPositions _positions = new(model);

    /// <summary>The queries: [b, s, G, H / G, head size], or [b, 1, G, H / G * s, head size] where the graph puts heads before the sequence.</summary>
    /// <exception cref="ModelRefusedException">They exist only inside the operator, or have no batch dimension.</exception>
    public (Value Query, bool HeadMajor) Of(OpEmitter emit, AttentionSite site)
    {
        if (site.QueryOperand is not { Layout: not HeadLayout.Flat } operand || site.IsFlat)
        {
            throw new ModelRefusedException($"Layer {site.Layer} cannot attend to tokens: its queries are out of reach", $"{model.Path}, {site.Core}", site.Form,
                "queries [b, s, H * head size] before the attention operator", $"use the slot layout {OneTokenInjection.Layout}, which needs no queries");
        }
        if (operand.Layout == HeadLayout.HeadMajor)
        {
            return (emit.Reshape(operand.Value, 0, 1, site.KeyValueHeads, -1, site.HeadSize), true);
        }
        Value query = Unpack(emit, operand, site);
        query = operand.Bias is { } bias ? emit.Add(query, emit.Slice(bias, 0, 0, site.Query.Count)) : query;
        query = operand.IsNormalised ? query : Normalize(emit, query, site);
        query = operand.IsRotated ? query : Rotate(emit, query, site);
        return (emit.Reshape(query, 0, 0, site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, site.HeadSize), false);
    }

    /// <summary>The queries alone, [b, s, H * head size].</summary>
    private static Value Unpack(OpEmitter emit, QueryOperand operand, AttentionSite site) =>
        operand.IsPacked && operand.Interleaved ? emit.Reshape(emit.Slice(operand.Value, 3, 0, 1), 0, 0, site.Query.Count)
        : operand.IsPacked ? emit.Slice(operand.Value, -1, operand.First, site.Query.Count)
        : operand.Layout == HeadLayout.SequenceHeads ? emit.Reshape(operand.Value, 0, 0, site.Query.Count)
        : operand.Value;

    private static Value Normalize(OpEmitter emit, Value query, AttentionSite site)
    {
        HeadNormalization normalization = site.QueryNormalization!;
        return normalization.PerHead
            ? emit.Reshape(emit.SimplifiedLayerNormalization(emit.Reshape(query, 0, 0, site.QueryHeads, site.HeadSize), normalization.Weight, normalization.Epsilon), 0, 0, site.Query.Count)
            : emit.SimplifiedLayerNormalization(query, normalization.Weight, normalization.Epsilon);
    }

    private Value Rotate(OpEmitter emit, Value query, AttentionSite site)
    {
        RotaryFacts rotary = site.Rotary!;
        bool whole = rotary.RotatedSize == site.HeadSize;
        return emit.MicrosoftOp("RotaryEmbedding", [query, _positions.Of(site), rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1L : 0),
            NodeAttributes.Of("num_heads", whole ? 0L : site.QueryHeads),
            NodeAttributes.Of("rotary_embedding_dim", whole ? 0L : rotary.RotatedSize));
    }
}
