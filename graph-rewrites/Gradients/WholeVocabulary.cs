using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>All logits of a target at once, [m, V]; whatever computes them is differentiated as the rest of the decoder.</summary>
internal sealed class WholeVocabulary : TargetLogProbabilities
{
    private readonly Value _ids;
    private readonly Value _all;

    public WholeVocabulary(OpEmitter emit, Value logits, Value ids)
        : base(emit)
    {
        _ids = emit.Op("Unsqueeze", [ids, emit.Integers([1])]);
        Origin = logits;
        _all = emit.Op("LogSoftmax", [logits], NodeAttributes.Of("axis", -1L));
        Value picked = emit.Op("GatherElements", [_all, _ids], NodeAttributes.Of("axis", 1L));
        Values = emit.Named("target_log_probabilities", "Squeeze", picked, emit.Integers([1]));
    }

    /// <inheritdoc/>
    public override Value Values { get; }

    /// <summary>The logits at the targets, [m, V].</summary>
    public override Value Origin { get; }

    /// <summary>dloss / dlogits = weight (softmax - one-hot).</summary>
    public override Value OriginGradient(Value weights)
    {
        Value column = Emit.Op("Unsqueeze", [weights, Emit.Integers([1])]);
        Value softmax = Emit.Mul(Emit.Op("Exp", [_all]), column);
        return Emit.Op("ScatterElements", [softmax, _ids, Emit.Op("Neg", [column])], NodeAttributes.Of("axis", 1L), NodeAttributes.Of("reduction", "add"));
    }
}
