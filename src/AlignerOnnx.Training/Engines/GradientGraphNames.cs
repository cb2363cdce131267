namespace AlignerOnnx.Training;

/// <summary>The names of inputs and outputs of gradient and evaluation graphs.</summary>
public static class GradientGraphNames
{
    /// <summary>Input int64 [b, s]: token ids.</summary>
    public const string InputIds = "input_ids";

    /// <summary>Input int64 [b, s]: 1 = real token, padding on the right.</summary>
    public const string AttentionMask = "attention_mask";

    /// <summary>Input int64 [m]: flat position row * s + t whose logits predict the target.</summary>
    public const string TargetPositions = "target_positions";

    /// <summary>Input int64 [m]: the token to predict.</summary>
    public const string TargetIds = "target_ids";

    /// <summary>Input float [m]: weight of each target in the loss.</summary>
    public const string TargetWeights = "target_weights";

    /// <summary>Input float [n, d]: the tokens.</summary>
    public const string Tokens = "aligner.tokens";

    /// <summary>Input float [L', H]: the gates of the adapted layers; not in graphs of concat attention.</summary>
    public const string Gates = "aligner.gates";

    /// <summary>Input int64 [m] of preference graphs: the sequence that each target belongs to; 2k is the preferred answer of pair k, 2k + 1 the other one.</summary>
    public const string TargetSequences = "target_sequences";

    /// <summary>Input float [m] of preference graphs: weight of each target's log-probability in that of its sequence.</summary>
    public const string SequenceWeights = "sequence_weights";

    /// <summary>Input float [2 p] of preference graphs: weighted log-probability of each sequence by the reference.</summary>
    public const string ReferenceLogProbabilities = "reference_log_probabilities";

    /// <summary>Input float [p] of preference graphs: weight of each pair in the loss.</summary>
    public const string PairWeights = "pair_weights";

    /// <summary>Input float [m] of preference graphs: log-probability of each target by the reference, where it is to stay.</summary>
    public const string KeptLogProbabilities = "kept_log_probabilities";

    /// <summary>Input float [m] of preference graphs: weight of half the square of what a target's log-probability moved.</summary>
    public const string KeptWeights = "kept_weights";

    /// <summary>Output float [2 p] of preference graphs: the reward of each sequence, beta times its log-ratio to the reference.</summary>
    public const string Rewards = "rewards";

    /// <summary>Output float scalar: sum of weight times negative log-likelihood.</summary>
    public const string Loss = "loss";

    /// <summary>Output float [m]: log-probability of each target.</summary>
    public const string TargetLogProbabilities = "target_log_probabilities";

    /// <summary>Output float [n, d]: derivative of the loss by the tokens; gradient graphs only.</summary>
    public const string TokensGradient = "aligner.tokens_gradient";

    /// <summary>Output float [L', H]: derivative of the loss by the gates; gradient graphs of gated attention only.</summary>
    public const string GatesGradient = "aligner.gates_gradient";

    /// <summary>All inputs but those of preference graphs, in the order in which the engine feeds them.</summary>
    public static IReadOnlyList<string> Inputs { get; } = [InputIds, AttentionMask, TargetPositions, TargetIds, TargetWeights, Tokens, Gates];

    /// <summary>What preference graphs read besides, in the order in which the engine feeds it.</summary>
    public static IReadOnlyList<string> PreferenceInputs { get; } = [TargetSequences, SequenceWeights, ReferenceLogProbabilities, PairWeights, KeptLogProbabilities, KeptWeights];

    /// <summary>Outputs of an evaluation graph.</summary>
    public static IReadOnlyList<string> EvaluationOutputs { get; } = [Loss, TargetLogProbabilities];

    /// <summary>Outputs of a gradient graph.</summary>
    public static IReadOnlyList<string> GradientOutputs { get; } = [Loss, TargetLogProbabilities, TokensGradient, GatesGradient];
}
