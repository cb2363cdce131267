using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Serving;

/// <summary>The compiled form of a published version for the model that is served; packages are folded once and the result is kept.</summary>
internal sealed class AdapterFolding(string patchedModel, bool anyBase, BlobStore blobs, StateFolder state)
{
    private readonly Lazy<CompilationTarget> _model = new(() => CompilationTarget.Of(patchedModel));
    private readonly string _folder = state.Folder(Path.Combine("compiled", ModelKey(patchedModel)));

    /// <summary>All attention sites of the model.</summary>
    internal IReadOnlyList<AttentionSite> Sites => _model.Value.Sites;

    /// <exception cref="AdapterRefusedException">The version does not fit the model.</exception>
    /// <exception cref="IOException">A file of the version is missing or damaged.</exception>
    internal string Compiled(AdapterVersion version)
    {
        if (version.Kind == AdapterKind.Compiled)
        {
            return blobs.Verified(version.Files.Single().Sha256);
        }
        string compiled = Path.Combine(_folder, $"{version.Digest}.onnx_adapter");
        if (!File.Exists(compiled))
        {
            Adapter adapter = Package(version);
            AdapterCompiler.Compile(adapter, _model.Value, compiled, anyBase);
        }
        return compiled;
    }

    /// <summary>The trained artifact itself.</summary>
    internal Adapter Package(AdapterVersion version)
    {
        string folder = state.NewStagingFolder();
        try
        {
            foreach (AdapterFile file in version.Files)
            {
                File.Copy(blobs.Verified(file.Sha256), Path.Combine(folder, file.Name));
            }
            return AdapterPackage.Load(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    internal void Forget(string digest) => File.Delete(Path.Combine(_folder, $"{digest}.onnx_adapter"));

    /// <summary>Another model, or another state of its files, folds the same adapter to other values.</summary>
    private static string ModelKey(string patchedModel)
    {
        FileInfo graph = new(ModelPaths.FindOnnxFile(patchedModel));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{graph.FullName} {graph.Length} {graph.LastWriteTimeUtc.Ticks}")).AsSpan(0, 8));
    }
}
