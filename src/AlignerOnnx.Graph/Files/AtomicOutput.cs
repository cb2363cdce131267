using Microsoft.Win32.SafeHandles;

namespace AlignerOnnx.Graph;

/// <summary>Makes output files and folders appear complete or not at all: a temporary sibling is filled, flushed to disk and renamed.</summary>
public static class AtomicOutput
{
    /// <summary>Writes one file; an existing file of that name is replaced only once the new one is complete.</summary>
    /// <param name="path">The file to write; its folder is made where it is missing.</param>
    /// <param name="fill">Writes the content.</param>
    /// <param name="keepAs">The name that an existing file gets instead of being replaced; null replaces it.</param>
    public static void WriteFile(string path, Action<Stream> fill, string? keepAs = null)
    {
        ArgumentNullException.ThrowIfNull(fill);
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        string temporary = TemporaryName(full);
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                fill(stream);
                stream.Flush(flushToDisk: true);
            }
            if (keepAs is not null && File.Exists(full))
            {
                File.Move(full, keepAs, overwrite: true);
            }
            File.Move(temporary, full, overwrite: true);
            DirectoryFlush.Flush(Path.GetDirectoryName(full)!);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Makes one folder. The name must be free, or an empty folder.</summary>
    /// <param name="path">The folder to make; its parent is made where it is missing.</param>
    /// <param name="fill">Fills the folder whose path it is given.</param>
    /// <exception cref="OutputTakenException">The name is taken.</exception>
    public static void MakeFolder(string path, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (File.Exists(full) || (Directory.Exists(full) && Directory.EnumerateFileSystemEntries(full).Any()))
        {
            throw new OutputTakenException(full);
        }
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        string temporary = TemporaryName(full);
        try
        {
            Directory.CreateDirectory(temporary);
            fill(temporary);
            foreach (string file in Directory.EnumerateFiles(temporary, "*", SearchOption.AllDirectories))
            {
                // A hard-linked data file may be one that the user must not write; only Windows asks for that right to flush.
                using SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, OperatingSystem.IsWindows() ? FileAccess.ReadWrite : FileAccess.Read);
                RandomAccess.FlushToDisk(handle);
            }
            if (Directory.Exists(full))
            {
                Directory.Delete(full);
            }
            Directory.Move(temporary, full);
            DirectoryFlush.Flush(Path.GetDirectoryName(full)!);
        }
        catch
        {
            if (Directory.Exists(temporary))
            {
                Directory.Delete(temporary, recursive: true);
            }
            throw;
        }
    }

    private static string TemporaryName(string full) => $"{full}.{Guid.NewGuid():N}.tmp";
}
