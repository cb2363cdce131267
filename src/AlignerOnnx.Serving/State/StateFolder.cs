namespace AlignerOnnx.Serving;

/// <summary>
/// Where a server keeps what must outlive it: <c>state.db</c> (metadata), <c>blobs</c> (files by their SHA-256), <c>compiled</c> (can be made again), <c>jobs</c>.
/// One server at a time; without a given folder, a temporary one that goes with the server.
/// </summary>
internal sealed class StateFolder : IDisposable
{
    private readonly bool _temporary;
    private readonly FileStream _lock;

    internal StateFolder(string? given)
    {
        _temporary = given is null;
        Root = given is null ? Directory.CreateTempSubdirectory("aligner-state-").FullName : Path.GetFullPath(given);
        Directory.CreateDirectory(Root);
        _lock = Lock(Path.Combine(Root, "lock"));
        // What a killed server left half-made; nothing refers to it.
        Empty(Path.Combine(Root, "staging"));
    }

    internal string Root { get; }

    internal string Folder(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;

    /// <summary>A new empty folder for something half-made.</summary>
    internal string NewStagingFolder() => Directory.CreateDirectory(Path.Combine(Folder("staging"), Guid.NewGuid().ToString("N"))).FullName;

    public void Dispose()
    {
        _lock.Dispose();
        if (_temporary)
        {
            Directory.Delete(Root, recursive: true);
        }
    }

    /// <summary>The operating system lets go of the lock when the process ends, however it ends.</summary>
    private static FileStream Lock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new IOException($"The state folder is used by another server\n  where: {Path.GetDirectoryName(path)}\n  what to do: stop that one, or name another folder", e);
        }
    }

    private static void Empty(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
