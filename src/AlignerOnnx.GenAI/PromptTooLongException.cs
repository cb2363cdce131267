namespace AlignerOnnx.GenAI;

/// <summary>A prompt that leaves no room for an answer.</summary>
/// <param name="promptTokens">The prompt's tokens.</param>
/// <param name="contextLength">The most tokens of prompt and answer together that the model takes.</param>
public sealed class PromptTooLongException(int promptTokens, int contextLength)
    : Exception($"The prompt has {promptTokens} tokens, and the model's context of {contextLength} tokens must hold it and at least one new token.")
{
    /// <summary>The prompt's tokens.</summary>
    public int PromptTokens { get; } = promptTokens;

    /// <summary>The most tokens of prompt and answer together.</summary>
    public int ContextLength { get; } = contextLength;
}
