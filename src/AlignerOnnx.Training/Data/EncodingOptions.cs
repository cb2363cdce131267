namespace AlignerOnnx.Training;

/// <summary>How rows become tokens.</summary>
public sealed record EncodingOptions
{
    /// <summary>The longest row in tokens, 2 or more; longer rows lose their end. Default 512.</summary>
    public int MaximumLength { get; init; } = 512;

    /// <summary>Which tokens of a conversation are learnt. Default <see cref="LossOn.Answers"/>.</summary>
    public LossOn LossOn { get; init; } = LossOn.Answers;

    /// <summary>The token appended to plain-text completions so that the model learns to stop; null (the default) appends nothing. Chat templates bring their own.</summary>
    public int? EndOfTextId { get; init; }

    /// <summary>The size of the vocabulary: rows with a token id at or above it are refused. Null (the default) does not check.</summary>
    public int? VocabularySize { get; init; }

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaximumLength, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(VocabularySize ?? 1, 1, nameof(VocabularySize));
        ArgumentOutOfRangeException.ThrowIfNegative(EndOfTextId ?? 0, nameof(EndOfTextId));
    }
}
