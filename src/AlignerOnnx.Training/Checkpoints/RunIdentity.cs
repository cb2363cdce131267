namespace AlignerOnnx.Training;

/// <summary>What a run depends on; a checkpoint is continued only where all of it is as it was.</summary>
public sealed record RunIdentity
{
    /// <summary>SHA-256 of the model: its graph and its weights.</summary>
    public required string Model { get; init; }

    /// <summary>SHA-256 of each file that is read, by the option that names it: <c>data</c>, <c>eval</c>, <c>from</c>.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>The options that a step depends on, by name.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Checks that a checkpoint is of this run.</summary>
    /// <param name="saved">What the checkpoint says.</param>
    /// <param name="where">The checkpoint, for messages.</param>
    /// <exception cref="CheckpointRefusedException">Something changed; the message says what.</exception>
    public void RequireSame(RunIdentity saved, string where)
    {
        ArgumentNullException.ThrowIfNull(saved);
        if (saved.Model != Model)
        {
            throw Changed("the model changed since the checkpoint", where, $"the checkpoint's model has SHA-256 {saved.Model}", $"the model's is {Model}");
        }
        if (Difference(saved.Files, Files) is { } file)
        {
            throw Changed($"the file of --{file.Name} changed since the checkpoint", where, $"SHA-256 {file.Saved}", $"{file.Now}, which the file has now");
        }
        if (Difference(saved.Options, Options) is { } option)
        {
            throw Changed($"the option {option.Name} changed since the checkpoint", where, option.Saved, option.Now);
        }
    }

    private static (string Name, string Saved, string Now)? Difference(IReadOnlyDictionary<string, string> saved, IReadOnlyDictionary<string, string> now)
    {
        string? name = saved.Keys.Union(now.Keys).Order(StringComparer.Ordinal).FirstOrDefault(key => saved.GetValueOrDefault(key) != now.GetValueOrDefault(key));
        return name is null ? null : (name, saved.GetValueOrDefault(name) ?? "none", now.GetValueOrDefault(name) ?? "none");
    }

    private static CheckpointRefusedException Changed(string what, string where, string saved, string now) =>
        new(what, where, saved, now, "continue with what the run was started with, or remove the run's folder to start anew");
}
