using System.Runtime.InteropServices;

namespace AlignerOnnx.Graph;

/// <summary>Puts a folder's entries on disk: without it a rename can be lost when the power fails, though the file itself was flushed. .NET has no call for it.</summary>
public static partial class DirectoryFlush
{
    private const int ReadOnly = 0;

    /// <summary>Flushes one folder; does nothing on Windows, which writes renames through its journal, and where a file system knows no such flush.</summary>
    /// <param name="folder">The folder.</param>
    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }
        int descriptor = Open(folder, ReadOnly);
        if (descriptor >= 0)
        {
            _ = FileSync(descriptor);
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int FileSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
