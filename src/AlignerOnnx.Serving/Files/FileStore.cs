using Microsoft.Data.Sqlite;

namespace AlignerOnnx.Serving;

/// <summary>Data files that clients uploaded, and results that jobs left.</summary>
internal sealed class FileStore(StateDatabase database, BlobStore blobs, long mostBytes, TimeProvider time)
{
    internal IReadOnlyList<StoredFile> All => database.Query("SELECT id, name, purpose, sha256, bytes, created FROM files ORDER BY created DESC, id DESC", ToFile);

    internal StoredFile Require(string id, string param = "file_id") =>
        database.Query("SELECT id, name, purpose, sha256, bytes, created FROM files WHERE id = $id", ToFile, ("$id", id)).SingleOrDefault()
        ?? throw new ApiException(StatusCodes.Status404NotFound, $"There is no file '{id}'.", param, "file_not_found");

    /// <summary>Takes a file over into the store.</summary>
    internal StoredFile Add(string path, string name, string purpose)
    {
        lock (blobs.Changes)
        {
            long stored = database.Query("SELECT coalesce(sum(bytes), 0) FROM files", row => row.GetInt64(0))[0];
            if (stored + new FileInfo(path).Length > mostBytes)
            {
                throw new ApiException(StatusCodes.Status413PayloadTooLarge, $"The stored files would exceed {mostBytes} bytes, this server's limit. Delete some first.", code: "storage_full");
            }
            Blob blob = blobs.Take(path)[0];
            StoredFile file = new($"file-{Guid.NewGuid():N}", name, purpose, blob, DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds()));
            database.Execute("INSERT INTO files (id, name, purpose, sha256, bytes, created) VALUES ($id, $name, $purpose, $hash, $bytes, $created)",
                ("$id", file.Id), ("$name", name), ("$purpose", purpose), ("$hash", blob.Sha256), ("$bytes", blob.Bytes), ("$created", file.Created.ToUnixTimeSeconds()));
            return file;
        }
    }

    internal void Delete(string id)
    {
        lock (blobs.Changes)
        {
            StoredFile file = Require(id);
            RequireUnused(id);
            database.Execute("DELETE FROM files WHERE id = $id", ("$id", id));
            blobs.DeleteUnreferenced(file.Content.Sha256);
        }
    }

    /// <summary>A job reads its data again where it goes on after a pause or a restart of the server.</summary>
    private void RequireUnused(string id)
    {
        if (database.Query("SELECT id FROM jobs WHERE finished IS NULL AND $id IN (training_file, validation_file) LIMIT 1", row => row.GetString(0), ("$id", id)) is [string job])
        {
            throw new ApiException(StatusCodes.Status409Conflict, $"{id} is data of {job}, which has not ended. Cancel the job first.", "file_id", "file_in_use");
        }
    }

    /// <summary>The path of the content, seen to be whole.</summary>
    internal string PathOf(StoredFile file) => blobs.Verified(file.Content.Sha256);

    private static StoredFile ToFile(SqliteDataReader row) =>
        new(row.GetString(0), row.GetString(1), row.GetString(2), new Blob(row.GetString(3), row.GetInt64(4)), DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(5)));
}

/// <summary>A stored file.</summary>
internal sealed record StoredFile(string Id, string Name, string Purpose, Blob Content, DateTimeOffset Created);
