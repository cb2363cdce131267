using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>The queries of a layer as they meet keys. What the attention operator does to them inside (normalization, rotary embedding) is done again outside.</summary>
internal sealed class FinalQuery(OnnxModel model)
{
    private readonly QueryPositions _positions = new(model);

    /// <summary>The queries, [b, s, G, H / G, head size].</summary>
    public Value Of(OpEmitter emit, AttentionSite site)
    {
        Value operand = site.QueryOperand.Value;
        Value query = site.Core.Input(1) is null ? emit.Slice(operand, -1, 0, site.Query.Count) : operand;
        query = site.Rotary is { } rotary ? Rotate(emit, query, site, rotary) : query;
        return emit.Reshape(query, 0, 0, site.KeyValueHeads, site.QueryHeads / site.KeyValueHeads, site.HeadSize);
    }

    private Value Rotate(OpEmitter emit, Value query, AttentionSite site, RotaryFacts rotary)
    {
        long rotated = 2 * (rotary.Cosines.Initializer?.Shape[^1] ?? site.HeadSize / 2);
        bool whole = rotated == site.HeadSize;
        return emit.MicrosoftOp("RotaryEmbedding", [query, _positions.Of(site), rotary.Cosines, rotary.Sines],
            NodeAttributes.Of("interleaved", rotary.Interleaved ? 1L : 0),
            NodeAttributes.Of("num_heads", whole ? 0L : site.QueryHeads),
            NodeAttributes.Of("rotary_embedding_dim", whole ? 0 : rotated));
    }
}
