namespace AlignerOnnx.GenAI;

/// <summary>The model behind a chat client that is registered as a service.</summary>
public sealed class AlignerChatClientOptions
{
    /// <summary>What the base model is called in <c>ChatOptions.ModelId</c>; null (the default) for the folder's name.</summary>
    public string? BaseName { get; set; }

    /// <summary>How answers are computed.</summary>
    public ChatModelOptions Model { get; set; } = new();

    /// <summary>The adapters to load: what <c>ChatOptions.ModelId</c> calls each, and its .onnx_adapter file. Others can be loaded and unloaded later, with the <see cref="ChatModel"/> service.</summary>
    public IDictionary<string, string> Adapters { get; } = new Dictionary<string, string>(StringComparer.Ordinal);
}
