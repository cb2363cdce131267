using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>What to serve, where, to whom and within which limits.</summary>
public sealed record ServingOptions
{
    /// <summary>The GenAI model folder; a patched one where there are adapters.</summary>
    public required string ModelFolder { get; init; }

    /// <summary>What clients call the base model; null (the default) for the folder's name.</summary>
    public string? BaseModelName { get; init; }

    /// <summary>The adapters to serve beside the base model; none by default.</summary>
    public IReadOnlyList<AdapterSource> Adapters { get; init; } = [];

    /// <summary>A folder of adapter folders and .onnx_adapter files to serve and to watch: what appears or changes is published, what goes is unloaded. Null (the default) for none.</summary>
    public string? AdapterFolder { get; init; }

    /// <summary>Whether adapters of another quantisation of the model are accepted; false by default.</summary>
    public bool AnyBase { get; init; }

    /// <summary>Where published adapters, files and jobs are kept over restarts; null (the default) for a temporary folder that goes with the server.</summary>
    public string? StateFolder { get; init; }

    /// <summary>How many adapter versions stay in memory, 1 to 1,000,000; 10,000 by default. Of those that no request uses the longest unused go first, and come back when asked for.</summary>
    public int MaxResidentAdapters { get; init; } = 10_000;

    /// <summary>The largest upload of an adapter or a data file in bytes, 1 KiB to 1 GiB; 64 MiB by default.</summary>
    public long MaxUploadBytes { get; init; } = 64 << 20;

    /// <summary>How many bytes of uploaded data files are kept in all, 1 KiB to 1 TiB; 4 GiB by default.</summary>
    public long MaxStoredBytes { get; init; } = 4L << 30;

    /// <summary>The program that trains, with the arguments that come before <c>train</c>: the aligner tool. Null (the default) refuses fine-tuning jobs.</summary>
    public IReadOnlyList<string>? TrainingProgram { get; init; }

    /// <summary>The http addresses to listen on; port 0 takes a free one. Default: loopback, port 5080.</summary>
    public IReadOnlyList<string> Urls { get; init; } = ["http://127.0.0.1:5080"];

    /// <summary>A key of the role admin that clients send as a bearer token; null (the default) for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Further keys, by their hashes; none by default. Without any key only loopback addresses are allowed.</summary>
    public IReadOnlyList<ApiKey> Keys { get; init; } = [];

    /// <summary>Whether logs are JSON lines; false by default. Prompts and answers are in neither form.</summary>
    public bool JsonLogs { get; init; }

    /// <summary>How long running requests may take to end when the server is stopped, 0 to 1 hour; 30 s by default.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most tokens of a prompt, at least 1; by default as many as the model's context has.</summary>
    public int MaxPromptTokens { get; init; } = int.MaxValue;

    /// <summary>The largest request body in bytes, 1 KiB to 1 GiB; 1 MiB by default.</summary>
    public long MaxBodyBytes { get; init; } = 1 << 20;

    /// <summary>The most tokens that one answer may have, at least 1; 4096 by default.</summary>
    public int MaxTokens { get; init; } = 4096;

    /// <summary>The most answers to one request (its prompts times n), 1 to 128; 8 by default.</summary>
    public int MaxChoices { get; init; } = 8;

    /// <summary>How many requests are answered at once, 1 to 256; by default (null) 16 where their answers are computed in batches, else 4. It is also the most rows of all batches.</summary>
    public int? MaxConcurrency { get; init; }

    /// <summary>How answers are computed; its rows are set by <see cref="MaxConcurrency"/>.</summary>
    public ChatModelOptions Engine { get; init; } = new();

    /// <summary>How many requests may wait for their turn, 0 to 65536; 32 by default. Further ones get status 429.</summary>
    public int QueueLength { get; init; } = 32;

    /// <summary>The longest time from a request's arrival to its last token, 1 ms to 1 day; 5 minutes by default.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The base model's name with its default applied.</summary>
    internal string BaseName => BaseModelName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(ModelFolder)));

    /// <summary>Every key that lets in.</summary>
    internal IReadOnlyList<ApiKey> AllKeys => ApiKey is null ? Keys : [new ApiKey("api-key", KeyRole.Admin, Serving.ApiKey.HashOf(ApiKey)), .. Keys];

    /// <summary>Checks every value, and that strangers cannot reach the server without a key.</summary>
    /// <exception cref="ArgumentException">A value is outside its range, a name is taken twice, or an address needs a key.</exception>
    internal void Check()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(ModelFolder);
        ThrowUnless(MaxBodyBytes is >= 1024 and <= 1 << 30, nameof(MaxBodyBytes), MaxBodyBytes, "1 KiB to 1 GiB");
        ThrowUnless(MaxResidentAdapters is >= 1 and <= 1_000_000, nameof(MaxResidentAdapters), MaxResidentAdapters, "1 to 1,000,000");
        ThrowUnless(MaxUploadBytes is >= 1024 and <= 1 << 30, nameof(MaxUploadBytes), MaxUploadBytes, "1 KiB to 1 GiB");
        ThrowUnless(MaxStoredBytes is >= 1024 and <= 1L << 40, nameof(MaxStoredBytes), MaxStoredBytes, "1 KiB to 1 TiB");
        ThrowUnless(TrainingProgram is null or { Count: > 0 }, nameof(TrainingProgram), "an empty list", "a program, or null");
        ThrowUnless(MaxTokens >= 1, nameof(MaxTokens), MaxTokens, "at least 1");
        ThrowUnless(MaxChoices is >= 1 and <= 128, nameof(MaxChoices), MaxChoices, "1 to 128");
        ThrowUnless(MaxConcurrency is null or (>= 1 and <= 256), nameof(MaxConcurrency), MaxConcurrency ?? 0, "1 to 256");
        ThrowUnless(QueueLength is >= 0 and <= 65536, nameof(QueueLength), QueueLength, "0 to 65536");
        ThrowUnless(RequestTimeout >= TimeSpan.FromMilliseconds(1) && RequestTimeout <= TimeSpan.FromDays(1), nameof(RequestTimeout), RequestTimeout, "1 ms to 1 day");
        ThrowUnless(ApiKey is null || !string.IsNullOrWhiteSpace(ApiKey), nameof(ApiKey), "a blank key", "a key, or null");
        ThrowUnless(DrainTimeout >= TimeSpan.Zero && DrainTimeout <= TimeSpan.FromHours(1), nameof(DrainTimeout), DrainTimeout, "0 to 1 hour");
        ThrowUnless(MaxPromptTokens >= 1, nameof(MaxPromptTokens), MaxPromptTokens, "at least 1");
        CheckNames();
        if (ListenAddress.ProblemOf(Urls, AllKeys.Count > 0) is { } problem)
        {
            throw new ArgumentException(problem);
        }
    }

    private void CheckNames()
    {
        HashSet<string> names = new([BaseName], StringComparer.Ordinal);
        foreach (AdapterSource adapter in Adapters)
        {
            ArgumentException.ThrowIfNullOrWhiteSpace(adapter.Name, nameof(Adapters));
            if (!names.Add(adapter.Name))
            {
                throw new ArgumentException($"The name {adapter.Name} is taken twice; every adapter and the base model need names of their own.", nameof(Adapters));
            }
        }
    }

    private static void ThrowUnless(bool valid, string name, object found, string expected)
    {
        if (!valid)
        {
            throw new ArgumentOutOfRangeException(name, found, $"Expected {expected}.");
        }
    }
}
