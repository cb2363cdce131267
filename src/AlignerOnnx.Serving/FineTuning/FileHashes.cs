using System.Security.Cryptography;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Serving;

/// <summary>Hashes of the files that a run reads, for checkpoints to compare.</summary>
internal static class FileHashes
{
    /// <summary>The files that are given, by the option that names them.</summary>
    public static IReadOnlyDictionary<string, string> Of(params IReadOnlyList<(string Option, string? Hash)> files) =>
        files.Where(file => file.Hash is not null).ToDictionary(file => file.Option, file => file.Hash!);

    /// <summary>SHA-256 of an adapter's numbers; null for no adapter.</summary>
    public static string? OfAdapter(string? folder) =>
        folder is null ? null : Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, AdapterPackage.TensorFile))));
}
