using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>Chooses tokens with a GenAI generator's own search: temperature, top-k, top-p, seeds, penalties of repetition, guidance. The generator is disposed with it.</summary>
internal sealed class GeneratorSearch(Generator generator, GenerationRequest request) : ITokenSearch
{
    private readonly NativeLogits _logits = new(generator);
    private readonly LogitSteering? _steering = LogitSteering.For(request);

    public ChosenToken Choose(ReadOnlySpan<float> logits)
    {
        Span<float> values = _logits.Fetch();
        logits[..values.Length].CopyTo(values);
        _steering?.Change(values);
        _logits.Store();
        return Take();
    }

    /// <summary>Chooses the next token by the generator's own logits.</summary>
    internal ChosenToken Choose()
    {
        if (_steering is not null && _steering.Change(_logits.Fetch()))
        {
            _logits.Store();
        }
        return Take();
    }

    public void Dispose()
    {
        _logits.Dispose();
        generator.Dispose();
    }

    private ChosenToken Take()
    {
        generator.GenerateNextToken();
        int id = generator.GetNextTokens()[0];
        return new ChosenToken(id, _steering?.Count(id));
    }
}
