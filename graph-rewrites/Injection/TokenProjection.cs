using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Keys and values of the tokens in one layer: the layer's own frozen projections applied to the raw tokens, no normalization, no rotary embedding.</summary>
internal static class TokenProjection
{
    /// <summary>Keys and values, each [N, G * head size]; keys are normalised where the layer normalises keys.</summary>
    public static (Value Keys, Value Values) Project(OpEmitter emit, AttentionSite site, Value tokens)
    {
        Value keys = Apply(emit, site.Key.Projection, tokens);
        Value values = site.Value.Projection == site.Key.Projection ? keys : Apply(emit, site.Value.Projection, tokens);
        return (Normalize(emit, site, Part(emit, site.Key, keys)), Part(emit, site.Value, values));
    }

    private static Value Part(OpEmitter emit, ProjectionSlice slice, Value product)
    {
        Value part = slice.IsWhole ? product : (slice.BlockStride is { } stride ? Blocks(emit, slice, product, stride) : emit.Slice(product, 1, slice.First, slice.Count)).LikeButLast(product, slice.Count);
        return slice.LateBias is { } late ? emit.Add(part, emit.Slice(late.Vector, 0, late.First, slice.Count)).LikeButLast(product, slice.Count) : part;
    }

    /// <summary>A block out of each stride: [n, blocks, stride] -> [n, blocks, size] -> [n, count].</summary>
    private static Value Blocks(OpEmitter emit, ProjectionSlice slice, Value product, long stride)
    {
        (long blocks, long size, long output) = (slice.Count / slice.BlockSize!.Value, slice.BlockSize.Value, slice.Projection.OutputSize);
        return blocks * stride == output && slice.First + size <= stride
            ? emit.Reshape(emit.Slice(emit.Reshape(product, 0, blocks, stride), 2, slice.First, size), 0, slice.Count)
            : throw new ModelRefusedException("The projection holds more than the queries, keys and values of heads side by side", slice.Projection.Node.ToString(),
                $"{output} elements", $"{blocks} blocks of {stride}", "patch with --slots one-token or many-token");
    }

    private static Value Normalize(OpEmitter emit, AttentionSite site, Value keys)
    {
        if (site.KeyNormalization is not { } normalization)
        {
            return keys;
        }
        Value apart = normalization.PerHead ? emit.Reshape(keys, 0, site.KeyValueHeads, site.HeadSize) : keys;
        Value normal = InTypeOf(emit, normalization, apart, site);
        return normalization.PerHead ? emit.Reshape(normal, 0, site.Key.Count) : normal;
    }

    /// <summary>Where heads are normalised in float32 inside a float16 graph, tokens are too.</summary>
    private static Value InTypeOf(OpEmitter emit, HeadNormalization normalization, Value heads, AttentionSite site)
    {
        DataType type = Constants.Of(normalization.Weight)!.ElementType;
        if (type == site.ElementType)
        {
            return emit.SimplifiedLayerNormalization(heads, normalization.Weight, normalization.Epsilon);
        }
        Value wide = emit.Op("Cast", [heads], NodeAttributes.Of("to", (long)type));
        return emit.Op("Cast", [emit.SimplifiedLayerNormalization(wide, normalization.Weight, normalization.Epsilon)], NodeAttributes.Of("to", (long)site.ElementType));
    }

    /// <summary>Repeats the key/value heads [N, G * head size] for the query heads that share them: [H, N * head size], heads of a group side by side.</summary>
    public static Value PerQueryHead(OpEmitter emit, Value heads, AttentionSite site, int tokenCount)
    {
        (long groups, long size) = (site.KeyValueHeads, site.HeadSize);
        Value apart = emit.Reshape(heads, tokenCount, groups, size).As(tokenCount, groups, size);
        Value byGroup = emit.Reshape(emit.Transpose(apart, 1, 0, 2).As(groups, tokenCount, size), groups, -1).As(groups, tokenCount * size);
        return site.QueryHeads == groups ? byGroup : emit.MatMul(Selection(emit, site), byGroup).As(site.QueryHeads, tokenCount * size);
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
        if (node.OpType is not ("MatMul" or "FusedMatMul" or "Gemm" or "MatMulNBits"))
        {
            throw new ModelRefusedException($"A {node.OpType} cannot project tokens inside the graph", node.ToString(), remedy: "patch with --slots one-token or many-token");
        }
        Value product = emit.Emit(node.OpType, node.Domain, [tokens, .. node.Inputs.Skip(1)], 1, [.. node.Attributes.All.Select(attribute => attribute.Clone())])[0].LikeButLast(tokens, projection.OutputSize);
        bool biasInside = projection.Bias is { } bias && node.Inputs.Contains(bias);
        Value sum = projection.Bias is not null && !biasInside ? emit.Add(product, projection.Bias).LikeButLast(tokens, projection.OutputSize) : product;
        foreach (LowRankUpdate update in projection.Updates)
        {
            Value low = Apply(emit, update.Up, Apply(emit, update.Down, tokens));
            sum = emit.Add(sum, update.Factor == 1 ? low : emit.Mul(low, emit.Scalar(update.Factor, projection.ElementType))).LikeButLast(tokens, projection.OutputSize);
        }
        return sum;
    }
}
