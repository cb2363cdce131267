namespace AlignerOnnx.GenAI.Tests;

/// <summary>Counts the tokens of prompts that batches did not have to compute.</summary>
internal sealed class ReusedTokens : IDisposable
{
    private readonly BatchMeasurements<long> _measurements;
    private long _count;

    internal ReusedTokens() => _measurements = new("aligner.batch.prompt_tokens.reused", tokens => Interlocked.Add(ref _count, tokens));

    internal long Count => Interlocked.Read(ref _count);

    public void Dispose() => _measurements.Dispose();
}
