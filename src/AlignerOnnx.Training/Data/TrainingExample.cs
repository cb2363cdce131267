namespace AlignerOnnx.Training;

/// <summary>One tokenised row.</summary>
/// <param name="InputIds">Token ids [t].</param>
/// <param name="Labels">Labels [t]: <c>InputIds[t]</c> on completion tokens, <see cref="IgnoredLabel"/> elsewhere. Not shifted: the loss predicts the
/// label at t from the logits at t - 1, so a label at position 0 is never learnt.</param>
public sealed record TrainingExample(int[] InputIds, int[] Labels)
{
    /// <summary>The label of a token that does not count in the loss: -100, the convention of PyTorch's cross entropy.</summary>
    public const int IgnoredLabel = -100;

    /// <summary>Where the row stands in its file, for messages; <c>row ?</c> where unknown.</summary>
    public string Place { get; init; } = "row ?";

    /// <summary>How many tokens the loss counts: labels at positions 1 and up that are not ignored.</summary>
    public int TargetCount
    {
        get
        {
            int count = 0;
            for (int t = 1; t < Labels.Length; t++)
            {
                count += Labels[t] == IgnoredLabel ? 0 : 1;
            }
            return count;
        }
    }
}
