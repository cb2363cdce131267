using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>What clients can name in <c>model</c>: the base model and its adapters.</summary>
internal sealed class ModelRegistry : IDisposable
{
    private readonly Dictionary<string, ServedModel> _byName = new(StringComparer.Ordinal);

    internal ModelRegistry(ServingOptions options)
    {
        Chat = new ChatModel(options.ModelFolder);
        try
        {
            Load(options);
        }
        catch
        {
            Chat.Dispose();
            throw;
        }
    }

    internal ChatModel Chat { get; }

    internal IReadOnlyCollection<ServedModel> All => _byName.Values;

    internal ServedModel? Find(string name) => _byName.GetValueOrDefault(name);

    public void Dispose() => Chat.Dispose();

    private void Load(ServingOptions options)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        _byName.Add(options.BaseName, new ServedModel(options.BaseName, null, options.BaseName, null, now));
        foreach (AdapterSource adapter in options.Adapters)
        {
            Chat.LoadAdapter(adapter.Name, adapter.Path);
            _byName.Add(adapter.Name, new ServedModel(adapter.Name, adapter.Name, adapter.Name, options.BaseName, now));
        }
    }
}

/// <summary>One name that clients can use.</summary>
/// <param name="Name">The name.</param>
/// <param name="Adapter">The adapter behind it; null for the base model.</param>
/// <param name="Root">What it stands for. Never a path of the server.</param>
/// <param name="Parent">The base model of an adapter.</param>
/// <param name="Loaded">Since when it is served.</param>
internal sealed record ServedModel(string Name, string? Adapter, string Root, string? Parent, DateTimeOffset Loaded);
