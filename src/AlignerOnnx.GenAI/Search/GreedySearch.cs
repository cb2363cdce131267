using System.Numerics.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>Takes the likeliest token, the first of equals as GenAI does, without the copies that GenAI's general search makes.</summary>
internal sealed class GreedySearch(GenerationRequest request, int vocabulary) : ITokenSearch
{
    private readonly LogitSteering? _steering = LogitSteering.For(request);
    private float[] _steered = [];

    public ChosenToken Choose(ReadOnlySpan<float> logits)
    {
        logits = logits[..vocabulary];
        if (_steering is null)
        {
            return new ChosenToken(TensorPrimitives.IndexOfMax(logits), null);
        }
        Array.Resize(ref _steered, vocabulary);
        logits.CopyTo(_steered);
        _steering.Change(_steered);
        int id = TensorPrimitives.IndexOfMax<float>(_steered);
        return new ChosenToken(id, _steering.Count(id));
    }

    public void Dispose()
    {
        // Holds nothing.
    }
}
