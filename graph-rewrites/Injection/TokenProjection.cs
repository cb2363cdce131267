using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Keys and values of the tokens in one layer: the layer's own frozen projections applied to the raw tokens, no normalization, no rotary embedding.</summary>
internal static class TokenProjection
{
    /// <summary>Keys and values, each [N, G * head size].</summary>
    public static (Value Keys, Value Values) Project(OpEmitter emit, AttentionSite site, Value tokens)
    {
        if (site.Key.IsWhole)
        {
            return (Apply(emit, site.Key.Projection, tokens), Apply(emit, site.Value.Projection, tokens));
        }
        Value[] parts = emit.Split(Apply(emit, site.Key.Projection, tokens), axis: 1, site.Query.Count, site.Key.Count, site.Value.Count);
        return (parts[1], parts[2]);
    }

    /// <summary>Repeats the key/value heads [N, G * head size] for the query heads that share them: [H, N * head size], heads of a group side by side.</summary>
    public static Value PerQueryHead(OpEmitter emit, Value heads, AttentionSite site, int tokenCount)
    {
        Value byGroup = emit.Reshape(emit.Transpose(emit.Reshape(heads, tokenCount, site.KeyValueHeads, site.HeadSize), 1, 0, 2), site.KeyValueHeads, -1);
        return site.QueryHeads == site.KeyValueHeads ? byGroup : emit.MatMul(Selection(emit, site), byGroup);
    }

    /// <summary>A matrix [H, G] of zeros and ones: a product with it repeats rows exactly, and its transpose sums their gradients.</summary>
    private static Value Selection(OpEmitter emit, AttentionSite site)
    {
        string name = $"aligner.constant.group_of_head.{site.QueryHeads}_{site.KeyValueHeads}";
        if (emit.Graph.Find(name) is { } known)
        {
            return known;
        }
        float[] ones = new float[site.QueryHeads * site.KeyValueHeads];
        for (int head = 0; head < site.QueryHeads; head++)
        {
            ones[(head * site.KeyValueHeads) + (head * site.KeyValueHeads / site.QueryHeads)] = 1;
        }
        return emit.Graph.AddInitializer(Tensor.Of(name, ones, site.QueryHeads, site.KeyValueHeads));
    }

    private static Value Apply(OpEmitter emit, Projection projection, Value tokens)
    {
        Node node = projection.Node;
        Value product = emit.Emit(node.OpType, node.Domain, [tokens, .. node.Inputs.Skip(1)], 1, [.. node.Attributes.All.Select(attribute => attribute.Clone())])[0];
        bool biasInside = node.Input(5) is not null;
        return projection.Bias is { } bias && !biasInside ? emit.Add(product, bias) : product;
    }
}
