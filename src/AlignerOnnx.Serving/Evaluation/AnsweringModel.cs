using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>A model in ONNX Runtime GenAI with one adapter or none, as it answers when it serves.</summary>
internal sealed class AnsweringModel : IDisposable
{
    private readonly PreparedAdapters? _adapters;
    private readonly string? _adapter;

    public AnsweringModel(string model, string? adapter, bool anyBase)
    {
        string folder = adapter is null ? Path.GetDirectoryName(ModelPaths.FindOnnxFile(model))! : ModelCache.PatchedFor(model, adapter);
        _adapters = adapter is null ? null : new PreparedAdapters(folder, anyBase);
        AdapterSource? source = _adapters?.Prepare(adapter!);
        Chat = new ChatModel(folder);
        if (source is not null)
        {
            Chat.LoadAdapter(source.Name, source.Path);
            _adapter = source.Name;
        }
    }

    public ChatModel Chat { get; }

    public string PromptOf(IReadOnlyList<ChatTurn> turns) => Chat.ApplyChatTemplate(turns);

    public string Answer(string prompt, AnswerOptions options, CancellationToken cancellation) => Chat.Complete(new GenerationRequest
    {
        PromptIds = Chat.Encode(prompt),
        Adapter = _adapter,
        Temperature = (float)options.Temperature,
        Seed = options.Seed,
        MaxNewTokens = options.MaximumTokens,
    }, cancellation);

    /// <summary>The likeliest of some answers of one token: all others are pushed out of the race, and these keep their distances.</summary>
    public string Choose(string prompt, IReadOnlyList<string> answers, CancellationToken cancellation)
    {
        Dictionary<int, float> bias = answers.ToDictionary(answer => Chat.Encode(answer)[^1], _ => 100f);
        return Chat.Complete(new GenerationRequest { PromptIds = Chat.Encode(prompt), Adapter = _adapter, Temperature = 0, MaxNewTokens = 1, LogitBias = bias }, cancellation).Trim();
    }

    public void Dispose()
    {
        Chat.Dispose();
        _adapters?.Dispose();
    }
}
