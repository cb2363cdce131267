namespace AlignerOnnx.Training;

/// <summary>
/// The folder of one run, beside the adapter that it makes: <c>checkpoint.safetensors</c> and the one before it while training goes on, and the run's metrics.
/// One process at a time holds it.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private const string Latest = "checkpoint.safetensors";
    private const string Previous = "checkpoint.previous.safetensors";

    private readonly FileStream _lock;

    private RunFolder(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    /// <summary>The folder, as a full path.</summary>
    public string Path { get; }

    /// <summary>The newest checkpoint.</summary>
    public string CheckpointPath => File(Latest);

    /// <summary>The folder of the run that makes an adapter.</summary>
    /// <param name="adapter">The adapter folder.</param>
    public static string Of(string adapter) => System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(adapter)) + ".run";

    /// <summary>Whether a folder is that of a run with a checkpoint to continue from.</summary>
    /// <param name="path">The folder.</param>
    public static bool HasCheckpoint(string path) => System.IO.File.Exists(CheckpointOf(path));

    /// <summary>The newest checkpoint's file in the folder of a run.</summary>
    /// <param name="path">The folder.</param>
    public static string CheckpointOf(string path) => System.IO.Path.Combine(path, Latest);

    /// <summary>Takes the folder, which is made where it is missing.</summary>
    /// <param name="path">The folder.</param>
    /// <exception cref="IOException">Another process trains into it, or it cannot be made.</exception>
    public static RunFolder Open(string path)
    {
        Directory.CreateDirectory(path);
        string name = System.IO.Path.Combine(path, "lock");
        try
        {
            return new RunFolder(System.IO.Path.GetFullPath(path), new FileStream(name, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose));
        }
        catch (IOException taken) when (System.IO.File.Exists(name))
        {
            throw new IOException($"Another process trains into this folder.\n  where: {path}\n  what to do: wait for it, or name another output", taken);
        }
    }

    /// <summary>A file of the folder.</summary>
    /// <param name="name">Its name.</param>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Reads the newest checkpoint that is whole.</summary>
    /// <returns>The checkpoint; null where there is none.</returns>
    /// <exception cref="CheckpointRefusedException">There are checkpoints, all of them damaged.</exception>
    public Checkpoint? ReadCheckpoint()
    {
        string[] there = [.. new[] { File(Latest), File(Previous) }.Where(System.IO.File.Exists)];
        for (int i = 0; i < there.Length; i++)
        {
            try
            {
                return CheckpointFile.Read(there[i]);
            }
            catch (CheckpointRefusedException) when (i + 1 < there.Length)
            {
                // A disk can lose what it said it had written; the checkpoint before is older, but leads to the same end.
            }
        }
        return null;
    }

    /// <summary>Writes a checkpoint; the one before it is kept.</summary>
    /// <param name="checkpoint">What to write.</param>
    /// <exception cref="IOException">It cannot be written; the newest checkpoint stays.</exception>
    public void WriteCheckpoint(Checkpoint checkpoint) => CheckpointFile.Write(File(Latest), checkpoint, File(Previous));

    /// <summary>Removes the checkpoints, once the adapter is saved, and what a kill left of one that was being written.</summary>
    public void RemoveCheckpoints()
    {
        System.IO.File.Delete(File(Latest));
        System.IO.File.Delete(File(Previous));
        foreach (string unfinished in Directory.GetFiles(Path, $"{Latest}.*.tmp"))
        {
            System.IO.File.Delete(unfinished);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();
}
