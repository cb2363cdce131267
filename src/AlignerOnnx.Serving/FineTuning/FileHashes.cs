using System.Security.Cryptography;
using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Hashes of the files that a run reads, for checkpoints to compare.</summary>
internal static class FileHashes
{
    /// <summary>The files that are given, by the option that names them.</summary>
    public static IReadOnlyDictionary<string, string> Of(params IReadOnlyList<(string Option, string? Hash)> files) =>
        files.Where(file => file.Hash is not null).ToDictionary(file => file.Option, file => file.Hash!);

    /// <summary>SHA-256 of the file with the numbers that training starts from (<see cref="AdapterStart.Read"/>); null for none.</summary>
    public static string? OfAdapter(string? source) => source is null ? null : Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(
        File.Exists(source) ? source : RunFolder.HasCheckpoint(source) ? RunFolder.CheckpointOf(source) : Path.Combine(source, AdapterPackage.TensorFile))));
}
