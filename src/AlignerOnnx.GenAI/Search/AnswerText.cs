using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>Turns the chosen tokens of one answer into text until the answer ends: by an end token, a stop string, or its length.</summary>
/// <param name="native">Holds the tokenizer.</param>
/// <param name="request">What to end at.</param>
/// <param name="most">The most tokens of the answer.</param>
internal sealed class AnswerText(NativeModel native, GenerationRequest request, int most) : IDisposable
{
    private readonly TokenizerStream _decoder = native.Tokenizer.CreateStream();
    private readonly StopFilter _filter = new(request.StopStrings);
    private readonly HashSet<int> _ends = [.. native.Tokenizer.GetEosTokenIds()];
    private int _remaining = most;

    /// <summary>Takes the next token.</summary>
    internal GeneratedToken Add(ChosenToken token)
    {
        if (_ends.Contains(token.Id))
        {
            return new GeneratedToken(token.Id, _filter.Flush(), FinishReason.Stop, token.Logprobs);
        }
        string text = _filter.Push(_decoder.Decode(token.Id));
        FinishReason finish = _filter.Stopped ? FinishReason.Stop : --_remaining == 0 ? FinishReason.Length : FinishReason.None;
        return new GeneratedToken(token.Id, finish == FinishReason.Length ? text + _filter.Flush() : text, finish, token.Logprobs);
    }

    public void Dispose() => _decoder.Dispose();
}
