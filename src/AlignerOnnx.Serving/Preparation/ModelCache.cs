using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.Serving;

/// <summary>Patched forms of models that were named unpatched: each is made once, in the user's cache folder.</summary>
public static class ModelCache
{
    /// <summary>The environment variable that moves the cache; otherwise it is <c>aligner</c> in the user's cache folder.</summary>
    public const string FolderVariable = "ALIGNER_CACHE";

    /// <summary>The patched form of a model.</summary>
    /// <param name="model">A model folder or an .onnx file, patched or not.</param>
    /// <param name="layout">The slots it shall have; null for its own where it is patched, else for those of one token.</param>
    /// <returns>The folder of a patched model: the model's own where it is patched, else one in the cache.</returns>
    /// <exception cref="ModelRefusedException">The model cannot be read or patched, or is patched with other slots.</exception>
    public static string Patched(string model, SlotLayout? layout = null)
    {
        string file = ModelPaths.FindOnnxFile(model);
        string folder = Path.GetDirectoryName(file)!;
        if (IsPatched(folder))
        {
            RequireLayout(file, layout);
            return folder;
        }
        SlotLayout slots = layout ?? SlotLayout.OneToken;
        string cached = Path.Combine(Root(), "models", $"{Path.GetFileName(folder)}-{SlotLayouts.NameOf(slots)}-{Key(file)}");
        if (!Directory.Exists(cached))
        {
            Make(file, cached, slots);
        }
        return cached;
    }

    /// <summary>A patched form of a model that takes an adapter, if the model is not patched already.</summary>
    /// <param name="model">A model folder or an .onnx file, patched or not.</param>
    /// <param name="adapter">An adapter folder, or an .onnx_adapter file.</param>
    /// <inheritdoc cref="Patched"/>
    public static string PatchedFor(string model, string adapter) =>
        Patched(model, IsPatched(Path.GetDirectoryName(ModelPaths.FindOnnxFile(model))!) ? null : PreparedAdapters.LayoutFor(adapter));

    private static bool IsPatched(string folder) => File.Exists(Path.Combine(folder, ModelPatcher.FactsFile));

    private static void RequireLayout(string file, SlotLayout? asked)
    {
        if (asked is { } layout && SlotLayouts.Of(ModelLoader.Load(file)) is { } present && present != layout)
        {
            throw new ModelRefusedException("The model is patched with other slots", file, SlotLayouts.NameOf(present), SlotLayouts.NameOf(layout), "name the base model, or leave the layout out");
        }
    }

    private static void Make(string file, string cached, SlotLayout layout)
    {
        try
        {
            ModelPatcher.Patch(file, cached, layout: layout);
        }
        catch (IOException) when (File.Exists(Path.Combine(cached, ModelPatcher.FactsFile)))
        {
            // Another process made it in the meantime; folders appear complete, so it can be used.
        }
    }

    /// <summary>The cache's folder.</summary>
    internal static string Root()
    {
        string? given = Environment.GetEnvironmentVariable(FolderVariable);
        if (!string.IsNullOrEmpty(given))
        {
            return Path.GetFullPath(given);
        }
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        string user = string.IsNullOrEmpty(cache)
            ? OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache")
            : cache;
        return Path.Combine(user, "aligner");
    }

    /// <summary>Names a state of the model's folder: another model, or another version of its files, gets another place.</summary>
    private static string Key(string file)
    {
        StringBuilder state = new(file);
        foreach (FileInfo info in new DirectoryInfo(Path.GetDirectoryName(file)!).EnumerateFiles().OrderBy(info => info.Name, StringComparer.Ordinal))
        {
            state.Append('\n').Append(info.Name).Append(' ').Append(info.Length).Append(' ').Append(info.LastWriteTimeUtc.Ticks);
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(state.ToString())).AsSpan(0, 8));
    }
}
