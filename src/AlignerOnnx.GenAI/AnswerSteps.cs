using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>Chooses the tokens of one answer with GenAI's search, and turns them into text until the answer ends. The generator is not disposed with it.</summary>
internal sealed class AnswerSteps : IDisposable
{
    private readonly Generator _generator;
    private readonly NativeLogits _logits;
    private readonly LogitSteering? _steering;
    private readonly TokenizerStream _decoder;
    private readonly StopFilter _filter;
    private readonly HashSet<int> _ends;
    private int _remaining;

    /// <param name="native">The model that the generator runs on.</param>
    /// <param name="generator">Holds the prompt.</param>
    /// <param name="request">How to choose.</param>
    /// <param name="most">The most tokens of the answer.</param>
    internal AnswerSteps(NativeModel native, Generator generator, GenerationRequest request, int most)
    {
        _generator = generator;
        _logits = new NativeLogits(generator);
        _steering = LogitSteering.For(request);
        _decoder = native.Tokenizer.CreateStream();
        _filter = new StopFilter(request.StopStrings);
        _ends = [.. native.Tokenizer.GetEosTokenIds()];
        _remaining = most;
    }

    /// <summary>The next token, by the generator's own logits.</summary>
    internal GeneratedToken Next()
    {
        if (_steering is not null && _steering.Change(_logits.Fetch()))
        {
            _logits.Store();
        }
        return Choose();
    }

    /// <summary>The next token, by logits that were computed elsewhere, [vocabulary].</summary>
    internal GeneratedToken Next(ReadOnlySpan<float> logits)
    {
        Span<float> values = _logits.Fetch();
        logits[..values.Length].CopyTo(values);
        _steering?.Change(values);
        _logits.Store();
        return Choose();
    }

    public void Dispose()
    {
        _decoder.Dispose();
        _logits.Dispose();
    }

    private GeneratedToken Choose()
    {
        _generator.GenerateNextToken();
        int id = _generator.GetNextTokens()[0];
        TokenLogprobs? logprobs = _steering?.Count(id);
        if (_ends.Contains(id))
        {
            return new GeneratedToken(id, _filter.Flush(), FinishReason.Stop, logprobs);
        }
        string text = _filter.Push(_decoder.Decode(id));
        FinishReason finish = _filter.Stopped ? FinishReason.Stop : --_remaining == 0 ? FinishReason.Length : FinishReason.None;
        return new GeneratedToken(id, finish == FinishReason.Length ? text + _filter.Flush() : text, finish, logprobs);
    }
}
