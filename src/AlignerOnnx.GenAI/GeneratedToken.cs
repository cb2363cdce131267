namespace AlignerOnnx.GenAI;

/// <summary>One token of an answer.</summary>
/// <param name="Id">The token's number in the vocabulary.</param>
/// <param name="Text">The text that this token completes. Empty where a character or a possible stop string is not complete yet, and for the end token.</param>
/// <param name="Finish">Why the answer ends with this token; <see cref="FinishReason.None"/> where it goes on.</param>
/// <param name="Logprobs">How likely it and its alternatives were; null unless asked for.</param>
public readonly record struct GeneratedToken(int Id, string Text, FinishReason Finish, TokenLogprobs? Logprobs = null);

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>It has not ended.</summary>
    None,

    /// <summary>The model produced an end token, or a stop string appeared.</summary>
    Stop,

    /// <summary>The limit of new tokens or the model's context is reached.</summary>
    Length,
}
