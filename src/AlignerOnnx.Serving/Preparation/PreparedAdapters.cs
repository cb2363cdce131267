using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.Serving;

/// <summary>Compiled forms of adapters for one patched model. Folders are compiled into a temporary folder that lives as long as this object.</summary>
public sealed class PreparedAdapters : IDisposable
{
    private const string Extension = ".onnx_adapter";

    private readonly string _patched;
    private readonly bool _anyBase;
    private readonly Lazy<string> _temporary = new(() => Directory.CreateTempSubdirectory("aligner-adapters-").FullName);

    /// <summary>Prepares adapters for a model.</summary>
    /// <param name="patched">The folder of the patched model.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    public PreparedAdapters(string patched, bool anyBase)
    {
        _patched = patched;
        _anyBase = anyBase;
    }

    /// <summary>The compiled form of one adapter, named after its folder or file.</summary>
    /// <param name="adapter">An adapter folder, or an .onnx_adapter file, which is used as it is.</param>
    /// <exception cref="AdapterRefusedException">It is neither, is damaged, or does not fit the model.</exception>
    public AdapterSource Prepare(string adapter)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(adapter));
        if (File.Exists(full) && full.EndsWith(Extension, StringComparison.Ordinal))
        {
            return new AdapterSource(Path.GetFileNameWithoutExtension(full), full);
        }
        if (!Directory.Exists(full))
        {
            throw new AdapterRefusedException("The adapter does not exist", full, null, $"an adapter folder or an {Extension} file", "check the path");
        }
        string compiled = Path.Combine(_temporary.Value, $"{Guid.NewGuid():N}{Extension}");
        AdapterCompiler.Compile(AdapterPackage.Load(full), _patched, compiled, _anyBase);
        return new AdapterSource(Path.GetFileName(full), compiled);
    }

    /// <summary>The cheapest slot layout that takes an adapter; of a compiled one, whose slots are given, the default.</summary>
    /// <param name="adapter">An adapter folder or an .onnx_adapter file.</param>
    /// <exception cref="AdapterRefusedException">The folder is no adapter.</exception>
    public static SlotLayout LayoutFor(string adapter) => Directory.Exists(adapter) ? AdapterCompiler.LayoutFor(AdapterPackage.Load(adapter).Config) : SlotLayout.OneToken;

    /// <summary>The paths of all adapters of a folder, in the order of their names.</summary>
    /// <exception cref="AdapterRefusedException">The folder does not exist.</exception>
    public static IReadOnlyList<string> Find(string folder) => Directory.Exists(folder)
        ? [.. Directory.EnumerateFileSystemEntries(folder)
            .Where(entry => File.Exists(Path.Combine(entry, AdapterPackage.ConfigFile)) || (File.Exists(entry) && entry.EndsWith(Extension, StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal)]
        : throw new AdapterRefusedException("The folder of adapters does not exist", Path.GetFullPath(folder), null, "a folder of adapter folders", "check the path");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_temporary.IsValueCreated)
        {
            Directory.Delete(_temporary.Value, recursive: true);
        }
    }
}
