using System.Security.Cryptography;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>Files named by the SHA-256 of their content: written once, complete or not at all, never changed.</summary>
internal sealed class BlobStore(string root, StateDatabase database)
{
    /// <summary>Held by whoever takes or deletes files until the database says so too: else a file might go that is just being referred to.</summary>
    internal Lock Changes { get; } = new();

    /// <summary>Takes files over; they are on disk when it returns. A file whose content is there already is deleted: that content was flushed when it came.</summary>
    internal IReadOnlyList<Blob> Take(params IReadOnlyList<string> files)
    {
        List<string> added = [];
        try
        {
            Blob[] taken = [.. files.Select(file => Take(file, added))];
            Flush(added);
            return taken;
        }
        catch
        {
            // What is here is taken to be on disk.
            added.ForEach(File.Delete);
            throw;
        }
    }

    private Blob Take(string file, List<string> added)
    {
        Blob blob = new(HashOf(file), new FileInfo(file).Length);
        string place = PathOf(blob.Sha256);
        if (File.Exists(place) && HashOf(place) == blob.Sha256)
        {
            File.Delete(file);
            return blob;
        }
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        added.Add(place);
        File.Move(file, place, overwrite: true);
        return blob;
    }

    internal string PathOf(string hash) => Path.Combine(root, hash[..2], hash);

    /// <summary>The file's path, once its content is seen to be what its name says.</summary>
    /// <exception cref="IOException">The file is missing or damaged.</exception>
    internal string Verified(string hash)
    {
        string path = PathOf(hash);
        if (!File.Exists(path))
        {
            throw new IOException($"The stored file {hash} is missing from the state folder. Publish the version again.");
        }
        return HashOf(path) == hash
            ? path
            : throw new IOException($"The stored file {hash} is damaged: its SHA-256 differs. Publish the version again.");
    }

    /// <summary>Deletes a file unless something in the database refers to it.</summary>
    internal void DeleteUnreferenced(string hash)
    {
        if (database.Query("SELECT 1 FROM version_files WHERE sha256 = $hash UNION ALL SELECT 1 FROM files WHERE sha256 = $hash LIMIT 1", _ => true, ("$hash", hash)).Count == 0)
        {
            File.Delete(PathOf(hash));
        }
    }

    /// <summary>Deletes every file that nothing refers to: what an upload left that was cut off before it was recorded.</summary>
    internal void Sweep()
    {
        HashSet<string> referred = [.. database.Query("SELECT sha256 FROM version_files UNION SELECT sha256 FROM files", row => row.GetString(0))];
        foreach (string file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Where(file => !referred.Contains(Path.GetFileName(file))))
        {
            File.Delete(file);
        }
    }

    private static string HashOf(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>At once, so that a journal takes all of them together.</summary>
    private void Flush(IReadOnlyList<string> added)
    {
        Parallel.ForEach(added, file =>
        {
            using FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite);
            stream.Flush(flushToDisk: true);
        });
        foreach (string folder in added.SelectMany(file => (string[])[Path.GetDirectoryName(file)!, root]).Distinct())
        {
            DirectoryFlush.Flush(folder);
        }
    }
}

/// <summary>A stored file.</summary>
/// <param name="Sha256">The hash of its content, 64 lower-case hexadecimal digits; also its name.</param>
/// <param name="Bytes">Its length.</param>
internal sealed record Blob(string Sha256, long Bytes);
