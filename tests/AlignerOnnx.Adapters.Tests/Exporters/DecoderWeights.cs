namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>A LoRA: B (A x), times 2.</summary>
internal sealed record LowRank(Matrix Down, Matrix Up)
{
    public const float Factor = 2;
}

/// <summary>A matrix with what is added to its product.</summary>
internal sealed record Linear(Matrix Matrix, float[]? Bias, LowRank? Update = null)
{
    /// <summary>Some of the outputs.</summary>
    public Linear Part(int first, int count) => new(Matrix.Part(first, count), Bias?[first..(first + count)]);
}

/// <summary>A normalization's weight, and its bias where it is a LayerNorm.</summary>
internal sealed record Norm(float[] Weight, float[]? Bias);

/// <summary>The weights of one layer.</summary>
internal sealed record LayerWeights(
    Linear Query, Linear Key, Linear Value, Linear Output, Linear Gate, Linear Up, Linear Down, Norm[] Norms, float[] QueryNorm, float[] KeyNorm, float[] Sinks);

/// <summary>The weights of a decoder, drawn at random in the form in which they are stored.</summary>
internal sealed record DecoderWeights(Matrix Embedding, LayerWeights[] Layers, Norm LastNorm, Matrix Head)
{
    public static DecoderWeights Draw(DecoderFacts facts, WeightStorage storage, int seed)
    {
        Random random = new(seed);
        PlainStorage plain = new() { Type = facts.Type };
        (int d, int queries, int keys) = (facts.Hidden, facts.QuerySize, facts.KeySize);
        float[] Around(float middle, int count) => [.. Enumerable.Range(0, count).Select(_ => plain.Round(middle + (0.3f * ((2 * random.NextSingle()) - 1))))];
        Linear Draw(int inputs, int outputs, bool biased = false, bool adapted = false) => new(
            storage.Draw(random, inputs, outputs), biased ? Around(0, outputs) : null,
            adapted && facts.LoRARank > 0 ? new LowRank(plain.Draw(random, inputs, facts.LoRARank), plain.Draw(random, facts.LoRARank, outputs)) : null);
        Norm DrawNorm() => new(Around(1, d), facts.LayerNorm ? Around(0, d) : null);
        int HeadWeights(int whole) => facts.HeadNorm == HeadNorm.Whole ? whole : facts.HeadSize;
        LayerWeights[] layers = [.. Enumerable.Range(0, facts.Layers).Select(_ => new LayerWeights(
            Draw(d, queries, facts.HasBias), Draw(d, keys, facts.HasBias), Draw(d, keys, facts.HasBias, adapted: true), Draw(queries, d, facts.HasOutputBias, adapted: true),
            Draw(d, facts.Intermediate), Draw(d, facts.Intermediate), Draw(facts.Intermediate, d),
            [DrawNorm(), DrawNorm(), DrawNorm(), DrawNorm()], Around(1, HeadWeights(queries)), Around(1, HeadWeights(keys)), Around(0.5f, facts.Heads)))];
        return new DecoderWeights(plain.Draw(random, d, DecoderFacts.Vocabulary), layers, DrawNorm(), (storage as PlainStorage ?? plain).Draw(random, d, DecoderFacts.Vocabulary));
    }
}
