using AlignerOnnx.Graph;
using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Adapters;

/// <summary>Brings files of a base model into a patched one. Only ordinary files: a link or a device in a stranger's folder is refused, not followed.</summary>
internal static class WeightFiles
{
    /// <summary>Copies or links one file.</summary>
    /// <param name="from">The base model's folder.</param>
    /// <param name="name">The file's name relative to it.</param>
    /// <param name="to">The patched model's folder.</param>
    /// <param name="weights">How.</param>
    public static void Bring(string from, string name, string to, WeightCopy weights)
    {
        string destination = Path.Combine(to, name);
        Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
        using SafeFileHandle source = OrdinaryFile.OpenInside(from, name, name);
        if (weights == WeightCopy.Link)
        {
            HardLink.Create(Path.Combine(from, name), destination);
            // Linked by name: that the name still stands for a file, and not for a link that took its place, is seen at the new one.
            OrdinaryFile.OpenInside(to, name, name).Dispose();
        }
        else
        {
            FileClone.Copy(source, Path.Combine(from, name), destination);
        }
    }
}
