namespace AlignerOnnx.Training;

/// <summary>What a preference graph reads of a batch of pairs besides its rows: sequence 2k is the preferred answer of pair k, 2k + 1 the other one.</summary>
/// <param name="Sequences">[m]: the sequence that each target belongs to.</param>
/// <param name="SequenceWeights">[m]: the weight of each target's log-probability in that of its sequence.</param>
/// <param name="ReferenceLogProbabilities">[2 p]: the weighted log-probability of each sequence by the reference.</param>
/// <param name="Weights">[p]: the weight of each pair in the loss.</param>
/// <param name="KeptLogProbabilities">[m]: the log-probability of each target by the reference, where it is to stay.</param>
/// <param name="KeptWeights">[m]: the weight of half the square of what a target's log-probability moved; 0 where it may move.</param>
public sealed record PairTargets(long[] Sequences, float[] SequenceWeights, float[] ReferenceLogProbabilities, float[] Weights, float[] KeptLogProbabilities, float[] KeptWeights);
