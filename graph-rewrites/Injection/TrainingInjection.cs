using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The <c>portable</c> slots of the gradient graph, on a lowered decoder and for the adapted layers alone. The literal form of the method (arXiv 2312.05503): tokens and gates are inputs, every adapted layer projects the tokens by its own frozen weights,
/// and the queries attend to them in a softmax of their own. Its output, times the gate of the head, joins the attention output before the output projection.
/// </summary>
internal static class TrainingInjection
{
    /// <summary>Tokens P, float [N, d].</summary>
    public const string Tokens = "aligner.tokens";

    /// <summary>Gates beta, float [L', H], a row for each adapted layer.</summary>
    public const string Gates = "aligner.gates";

    /// <summary>Adds the inputs and the branch of every adapted layer to a lowered decoder.</summary>
    public static (Value Tokens, Value Gates) Apply(OnnxGraph graph, IReadOnlyList<LoweredSite> sites, SequenceFacts sequence, int startLayer, int tokenCount)
    {
        AttentionSite any = sites[0].Site;
        LoweredSite[] adapted = [.. sites.Where(lowered => lowered.Site.Layer >= startLayer)];
        Value tokens = graph.AddInput(Tokens, Shapes.Declare(DataType.Float, tokenCount, any.HiddenSize));
        Value gates = graph.AddInput(Gates, Shapes.Declare(DataType.Float, adapted.Length, any.QueryHeads));
        OpEmitter emit = new(graph, "aligner.branch");
        long[] ones = [.. adapted.Select(_ => 1L)];
        Value[] rows = adapted.Length == 1 ? [gates] : emit.Split(gates, axis: 0, ones);
        foreach ((LoweredSite lowered, Value row) in adapted.Zip(rows))
        {
            row.As(1, any.QueryHeads);
            AddBranch(emit.Within($"layer{lowered.Site.Layer}"), lowered, tokens, row, tokenCount, sequence);
        }
        return (tokens, gates);
    }

    private static void AddBranch(OpEmitter emit, LoweredSite lowered, Value tokens, Value gateRow, int tokenCount, SequenceFacts sequence)
    {
        AttentionSite site = lowered.Site;
        (Value keys, Value values) = TokenProjection.Project(emit, site, tokens);
        Value gate = emit.Reshape(gateRow, site.QueryHeads, 1).As(site.QueryHeads, 1);
        Value gatedValues = emit.Mul(TokenProjection.PerQueryHead(emit, values, site, tokenCount), gate).As(site.QueryHeads, tokenCount * site.HeadSize);
        Value branch = tokenCount == 1 ? SingleToken(emit, gatedValues, lowered) : Attend(emit, lowered, keys, gatedValues, tokenCount, sequence);
        branch.Type ??= lowered.Attended.Type;
        Value sum = emit.Add(lowered.Attended, branch);
        OnnxGraph.ReplaceUses(lowered.Attended, sum, except: sum.Producer);
    }

    /// <summary>The softmax over one key is 1 whatever the query: the branch is the gated value itself, the same at every position.</summary>
    private static Value SingleToken(OpEmitter emit, Value gatedValues, LoweredSite lowered)
    {
        (long heads, long size) = (lowered.Site.QueryHeads, lowered.Site.HeadSize);
        return lowered.Layout == HeadLayout.HeadMajor
            ? emit.Reshape(gatedValues, 1, heads, 1, size).As(1, heads, 1, size)
            : emit.Reshape(gatedValues, 1, 1, heads * size).As(1, 1, heads * size);
    }

    private static Value Attend(OpEmitter emit, LoweredSite lowered, Value keys, Value gatedValues, int tokenCount, SequenceFacts sequence)
    {
        AttentionSite site = lowered.Site;
        Value k = emit.Reshape(TokenProjection.PerQueryHead(emit, keys, site, tokenCount), site.QueryHeads, tokenCount, site.HeadSize).As(site.QueryHeads, tokenCount, site.HeadSize);
        Value v = emit.Reshape(gatedValues, site.QueryHeads, tokenCount, site.HeadSize).As(site.QueryHeads, tokenCount, site.HeadSize);
        Value q = emit.Transpose(emit.Reshape(lowered.RotatedQuery, -1, site.QueryHeads, site.HeadSize), 1, 0, 2);
        Value scores = emit.FusedMatMul(q, k, transposeB: true, alpha: site.Scale / site.QueryOperand!.Factor);
        Value probabilities = emit.Op("Softmax", [SoftCap.Apply(emit, scores, site)], NodeAttributes.Of("axis", -1L));
        Value byHead = emit.MatMul(probabilities, v);
        if (lowered.Layout == HeadLayout.HeadMajor)
        {
            // [H, b * s, head size] -> [H, b, s, head size] -> [b, H, s, head size]
            Value shape = emit.Op("Concat", [emit.Integers([site.QueryHeads]), emit.Op("Shape", [sequence.Positions]), emit.Integers([site.HeadSize])], NodeAttributes.Of("axis", 0L));
            return emit.Transpose(emit.Op("Reshape", [byHead, shape]), 1, 0, 2, 3);
        }
        Value mixed = emit.Transpose(byHead, 1, 0, 2);
        return emit.Op("Reshape", [mixed, sequence.Shape((long)site.QueryHeads * site.HeadSize)]);
    }
}
