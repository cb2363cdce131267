using System.Globalization;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Adapters;

/// <summary>An adapter and how strongly it takes part in a blend.</summary>
/// <param name="Path">An adapter folder or an <c>.onnx_adapter</c> file.</param>
/// <param name="Scale">What the adapter's part of each layer is multiplied by; any finite number.</param>
public sealed record BlendPart(string Path, double Scale = 1)
{
    /// <summary>The adapter as people call it.</summary>
    public string Name => System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    /// <summary>Whether it is a compiled file rather than a folder.</summary>
    internal bool IsCompiled => File.Exists(Path);

    /// <summary>Reads <c>PATH</c> or <c>PATH:SCALE</c>. What exists under the whole name is taken whole, and what stands behind the last colon is a scale only where it is a number.</summary>
    public static BlendPart Parse(string text)
    {
        ArgumentException.ThrowIfNullOrEmpty(text);
        int colon = text.LastIndexOf(':');
        return colon > 0 && !System.IO.Path.Exists(text) && double.TryParse(text[(colon + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out double scale) && double.IsFinite(scale)
            ? new BlendPart(text[..colon], scale)
            : new BlendPart(text);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Scale} x {Name}");

    internal Adapter LoadFolder() => Directory.Exists(Path)
        ? AdapterPackage.Load(Path)
        : throw new AdapterRefusedException("The adapter does not exist", System.IO.Path.GetFullPath(Path), null, "an adapter folder or an .onnx_adapter file", "check the path; a scale stands behind a colon, as in json:0.5");
}
