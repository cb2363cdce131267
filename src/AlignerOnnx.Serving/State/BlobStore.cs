using System.Security.Cryptography;

namespace AlignerOnnx.Serving;

/// <summary>Files named by the SHA-256 of their content: written once, complete or not at all, never changed.</summary>
internal sealed class BlobStore(string root, StateDatabase database)
{
    /// <summary>Takes a file over: it is moved in, or deleted where its content is there already.</summary>
    internal Blob Take(string file)
    {
        string hash = Flush(file, out long bytes);
        string place = PathOf(hash);
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        // Two uploads of the same content may race; either file will do.
        File.Move(file, place, overwrite: true);
        return new Blob(hash, bytes);
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
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream)) == hash
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

    private static string Flush(string file, out long bytes)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite);
        bytes = stream.Length;
        string hash = Convert.ToHexStringLower(SHA256.HashData(stream));
        stream.Flush(flushToDisk: true);
        return hash;
    }
}

/// <summary>A stored file.</summary>
/// <param name="Sha256">The hash of its content, 64 lower-case hexadecimal digits; also its name.</param>
/// <param name="Bytes">Its length.</param>
internal sealed record Blob(string Sha256, long Bytes);
