namespace AlignerOnnx.Serving;

/// <summary>What clients can name in <c>model</c>: the base model and its adapters.</summary>
internal sealed class ModelRegistry(AdapterRegistry adapters, ServingOptions options, TimeProvider time)
{
    private readonly DateTimeOffset _started = time.GetUtcNow();

    internal IEnumerable<ServedModel> All => [Base, .. adapters.All.Where(adapter => adapter.Loaded).Select(adapter => ToModel(adapter.Name, adapter.CurrentVersion))];

    internal ServedModel? Find(string name) => name == options.BaseName ? Base : adapters.Resolve(name) is { } version ? ToModel(name, version) : null;

    /// <summary>Keeps what the name means now, and the adapters that shall be blended into it, for one request, to its end.</summary>
    /// <param name="name">The request's model; null only where there are adapters to blend, which go on the base model.</param>
    /// <param name="blend">Adapters to blend.</param>
    /// <exception cref="ApiException">There is no such model, or the adapters cannot be blended.</exception>
    internal ModelLease Acquire(string? name, IReadOnlyList<AdapterPart>? blend)
    {
        if (blend is { Count: > 0 })
        {
            return name is null || name == options.BaseName
                ? AdapterBlending.Acquire(adapters, options.BaseName, blend)
                : throw ApiException.Invalid($"With adapters, model must be the base model, '{options.BaseName}'.", "model");
        }
        if (name is null)
        {
            throw ApiException.Invalid("model is missing.", "model");
        }
        if (name == options.BaseName)
        {
            return new ModelLease(name, [], null, null);
        }
        (AdapterVersion version, IDisposable lease) = adapters.Acquire(name) ?? throw ApiException.NoSuchModel(name);
        return new ModelLease(name, [(version, 1)], version.Digest, lease);
    }

    private ServedModel Base => new(options.BaseName, options.BaseName, null, _started);

    private ServedModel ToModel(string name, AdapterVersion version) => new(name, version.Id, options.BaseName, version.Created);
}

/// <summary>One name that clients can use.</summary>
/// <param name="Name">The name.</param>
/// <param name="Root">What it stands for now. Never a path of the server.</param>
/// <param name="Parent">The base model of an adapter.</param>
/// <param name="Created">Since when it is served in this form.</param>
internal sealed record ServedModel(string Name, string Root, string? Parent, DateTimeOffset Created);

/// <summary>What one request runs on, kept until it is disposed.</summary>
/// <param name="Name">The name that the request used.</param>
/// <param name="Parts">The adapter versions behind it and their scales; none for the base model.</param>
/// <param name="EngineKey">The engine's name of their values; null for the base model.</param>
/// <param name="Lease">What keeps them.</param>
internal sealed record ModelLease(string Name, IReadOnlyList<(AdapterVersion Version, double Scale)> Parts, string? EngineKey, IDisposable? Lease) : IDisposable
{
    /// <summary>What answered, for the client: <c>fp_base</c>, or the versions with the beginning of their hash.</summary>
    internal string Fingerprint => Parts is [] ? "fp_base" : $"fp_{string.Join('+', Parts.Select(Describe))}";

    internal IEnumerable<AdapterVersion> Versions => Parts.Select(part => part.Version);

    private static string Describe((AdapterVersion Version, double Scale) part) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{part.Version.Id}:{part.Version.Digest[..12]}{(part.Scale == 1 ? "" : $"*{part.Scale}")}");

    public void Dispose() => Lease?.Dispose();
}
