using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>A list as OpenAI's API gives it.</summary>
internal sealed record ListObject<T>(IReadOnlyList<T> Data)
{
    public string Object { get; init; } = "list";

    public string? FirstId { get; init; }

    public string? LastId { get; init; }

    public bool HasMore { get; init; }
}

/// <summary>An adapter of the registry.</summary>
internal sealed record AdapterObject(string Id, int CurrentVersion, bool Loaded, IReadOnlyDictionary<string, int> Aliases, IReadOnlyList<int> Versions, long CreatedAt)
{
    public string Object { get; init; } = "adapter";

    internal static AdapterObject Of(AdapterState adapter) =>
        new(adapter.Name, adapter.Current, adapter.Loaded, adapter.Aliases, [.. adapter.Versions.Keys.Order()], adapter.Created.ToUnixTimeSeconds());
}

/// <summary>A version of an adapter.</summary>
internal sealed record AdapterVersionObject(
    string Id, string Adapter, int Version, string Sha256, string Kind, string Origin, LineageObject Lineage, IReadOnlyList<FileEntry> Files, long CreatedAt)
{
    public string Object { get; init; } = "adapter.version";

    internal static AdapterVersionObject Of(AdapterVersion version) => new(
        version.Id, version.Name, version.Number, version.Digest, version.Kind == AdapterKind.Package ? "package" : "compiled", version.Origin,
        new LineageObject(version.Lineage.BaseModel, version.Lineage.BaseFingerprint, version.Lineage.DataHash, version.Lineage.Recipe),
        [.. version.Files.Select(file => new FileEntry(file.Name, file.Sha256, file.Bytes))], version.Created.ToUnixTimeSeconds());
}

internal sealed record LineageObject(string? BaseModel, string? BaseFingerprint, string? DataHash, string? Recipe);

internal sealed record FileEntry(string Name, string Sha256, long Bytes);

/// <summary>The size of each gate of a version, for a picture of them.</summary>
internal sealed record GatesObject(string Id, int StartLayer, int Layers, int Heads, IReadOnlyList<float> Gates)
{
    public string Object { get; init; } = "adapter.gates";
}

internal sealed record DeletedObject(string Id, string Object)
{
    public bool Deleted { get; init; } = true;
}

/// <summary>The body of PUT .../aliases/ALIAS and POST .../rollback: a version number, or an alias.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record VersionChoice
{
    public JsonElement? Version { get; init; }
}

/// <summary>The body of vLLM's unload_lora_adapter.</summary>
internal record LoraRequest : OpenObject
{
    public string? LoraName { get; init; }
}

/// <summary>The body of vLLM's load_lora_adapter.</summary>
internal sealed record LoraLoadRequest : LoraRequest
{
    public string? LoraPath { get; init; }

    public bool? LoadInplace { get; init; }
}
