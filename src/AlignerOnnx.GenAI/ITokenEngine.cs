namespace AlignerOnnx.GenAI;

/// <summary>A way to compute answers with the adapters that are loaded.</summary>
internal interface ITokenEngine : IDisposable
{
    /// <summary>The names of the loaded adapters.</summary>
    IReadOnlyList<string> Adapters { get; }

    /// <summary>Loads a compiled adapter that fits the model's slots under a name that is free.</summary>
    void LoadAdapter(string name, string path);

    /// <summary>Unloads an adapter; answers that use it finish undisturbed.</summary>
    void UnloadAdapter(string name);

    /// <summary>Generates one answer while it is enumerated; the calling thread waits for each token.</summary>
    IEnumerable<GeneratedToken> Generate(GenerationRequest request, CancellationToken cancellation);

    /// <summary>Generates one answer; no thread of the caller waits.</summary>
    IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellation);
}
