using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Where requests get their tokens: the only thing that the rest of the server knows of how tokens are computed.</summary>
internal interface ITextEngine
{
    /// <summary>Makes a compiled adapter known under a key that was never used before.</summary>
    /// <exception cref="AlignerOnnx.Graph.AdapterRefusedException">The file is damaged or does not fit the model.</exception>
    void LoadAdapter(string key, string compiledPath);

    /// <summary>Forgets an adapter that no generation uses.</summary>
    void UnloadAdapter(string key);

    /// <summary>Generates one answer; <see cref="GenerationRequest.Adapter"/> is the key of a loaded adapter, or null for the base model.</summary>
    IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellation);
}

/// <summary>The model's own engine: a continuous batch where its form allows it, else one GenAI generator for each request.</summary>
internal sealed class ChatModelEngine(ChatModel model) : ITextEngine
{
    public void LoadAdapter(string key, string compiledPath) => model.LoadAdapter(key, compiledPath);

    public void UnloadAdapter(string key) => model.UnloadAdapter(key);

    public IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellation) => model.GenerateAsync(request, cancellation);
}
