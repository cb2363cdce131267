using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>Looks at the files of an adapter before they are published: which kind it is, where it comes from.</summary>
internal static class AdapterIntake
{
    /// <summary>The name under which a compiled adapter's only file is stored.</summary>
    internal const string CompiledFile = "adapter.onnx_adapter";

    private const string CardFile = "README.md";
    private const long LargestCard = 1 << 20;

    /// <summary>The files that an adapter may consist of.</summary>
    internal static IReadOnlyList<string> FileNames { get; } = [AdapterPackage.TensorFile, AdapterPackage.ConfigFile, CardFile, CompiledFile];

    /// <summary>Checks a folder that holds one adapter and nothing else.</summary>
    /// <exception cref="AdapterRefusedException">It holds no adapter, or a damaged one.</exception>
    internal static (AdapterKind Kind, AdapterLineage Lineage) Inspect(string folder)
    {
        if (File.Exists(Path.Combine(folder, CompiledFile)))
        {
            return Directory.GetFiles(folder).Length == 1
                ? (AdapterKind.Compiled, AdapterLineage.Unknown)
                : throw new AdapterRefusedException("A compiled adapter comes with other files", null, null, "an .onnx_adapter file alone, or a package", "send one of the two");
        }
        FileInfo card = new(Path.Combine(folder, CardFile));
        if (card is { Exists: true, Length: > LargestCard })
        {
            throw new AdapterRefusedException("The model card is too large", CardFile, $"{card.Length} bytes", $"at most {LargestCard} bytes", "shorten it, or leave it out");
        }
        AdapterConfig config = AdapterPackage.Load(folder).Config;
        return (AdapterKind.Package, new AdapterLineage(config.BaseModelNameOrPath, config.BaseFingerprint, NullIfEmpty(config.Training?.DataHash), NullIfEmpty(config.Training?.Recipe)));
    }

    /// <summary>Copies an adapter (a package folder or a compiled file) to where it can be taken over from.</summary>
    internal static void CopyTo(string source, string folder)
    {
        if (File.Exists(source))
        {
            File.Copy(source, Path.Combine(folder, CompiledFile));
            return;
        }
        foreach (string name in FileNames.Where(name => name != CompiledFile && File.Exists(Path.Combine(source, name))))
        {
            File.Copy(Path.Combine(source, name), Path.Combine(folder, name));
        }
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
