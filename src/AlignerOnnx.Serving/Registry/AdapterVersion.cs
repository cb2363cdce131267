using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace AlignerOnnx.Serving;

/// <summary>One published state of an adapter; it never changes.</summary>
/// <param name="Name">The adapter.</param>
/// <param name="Number">From 1 on; a number is never given twice, not even after its adapter was deleted.</param>
/// <param name="Digest">What the version is: a hash over its files' names and hashes.</param>
/// <param name="Kind">Package or compiled.</param>
/// <param name="Origin">Where it came from: <c>upload</c>, <c>folder</c>, <c>options</c>, <c>job:ID</c> or, of a job that may publish under any name, <c>admin-job:ID</c>.</param>
/// <param name="Lineage">What it was made from.</param>
/// <param name="Files">Its files.</param>
/// <param name="Created">When it was published.</param>
internal sealed record AdapterVersion(
    string Name, int Number, string Digest, AdapterKind Kind, string Origin, AdapterLineage Lineage, IReadOnlyList<AdapterFile> Files, DateTimeOffset Created)
{
    internal string Id => $"{Name}@{Number}";

    internal static string DigestOf(IEnumerable<AdapterFile> files) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Concat(files.OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => $"{file.Sha256}  {file.Name}\n")))));
}

/// <summary>What the files of a version are.</summary>
internal enum AdapterKind
{
    /// <summary>The trained artifact: tokens, gates and their configuration.</summary>
    Package,

    /// <summary>An <c>.onnx_adapter</c> file, already folded for this base model.</summary>
    Compiled,
}

/// <summary>What a version was made from, as far as its files say.</summary>
internal sealed record AdapterLineage(string? BaseModel, string? BaseFingerprint, string? DataHash, string? Recipe)
{
    internal static AdapterLineage Unknown { get; } = new(null, null, null, null);
}

/// <summary>A file of a version.</summary>
internal sealed record AdapterFile(string Name, string Sha256, long Bytes);

/// <summary>An adapter with all that is known of it at one moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Current">The version that its bare name means.</param>
/// <param name="Loaded">Whether it is served.</param>
/// <param name="Created">Since when it is known.</param>
/// <param name="Versions">Its versions by number.</param>
/// <param name="Aliases">Version numbers by alias.</param>
internal sealed record AdapterState(
    string Name, int Current, bool Loaded, DateTimeOffset Created, ImmutableDictionary<int, AdapterVersion> Versions, ImmutableDictionary<string, int> Aliases)
{
    internal AdapterVersion CurrentVersion => Versions[Current];

    internal AdapterVersion? Select(AdapterReference reference) => reference.Selector switch
    {
        null => CurrentVersion,
        _ when reference.Number is int number => Versions.GetValueOrDefault(number),
        _ => Aliases.TryGetValue(reference.Selector, out int aliased) ? Versions[aliased] : null,
    };
}
