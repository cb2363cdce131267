namespace AlignerOnnx.GenAI;

/// <summary>Chooses the tokens of one answer by logits that were computed elsewhere.</summary>
internal interface ITokenSearch : IDisposable
{
    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">[vocabulary].</param>
    ChosenToken Choose(ReadOnlySpan<float> logits);
}

/// <summary>A token that was chosen.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Logprobs">How likely it and its alternatives were; null unless asked for.</param>
internal readonly record struct ChosenToken(int Id, TokenLogprobs? Logprobs);
