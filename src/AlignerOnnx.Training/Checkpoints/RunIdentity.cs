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
        if (Differences(saved.Files, Files) is [var file, ..])
        {
            throw Changed($"the file of --{file.Name} changed since the checkpoint", where, $"SHA-256 {file.Saved}", $"{file.Now}, which the file has now");
        }
        if (Differences(saved.Options, Options) is { Count: > 0 } options)
        {
            // All of them: some follow from others, such as the interval of evaluations from the steps, and the one that was typed must be among them.
            throw Changed($"the option{(options.Count == 1 ? "" : "s")} {string.Join(", ", options.Select(option => option.Name))} changed since the checkpoint", where,
                $"{Listed(options.Select(option => (option.Name, option.Saved)))} in the checkpoint", $"{Listed(options.Select(option => (option.Name, option.Now)))}, as this run says");
        }
    }

    private static List<(string Name, string Saved, string Now)> Differences(IReadOnlyDictionary<string, string> saved, IReadOnlyDictionary<string, string> now) =>
    [
        .. saved.Keys.Union(now.Keys).Order(StringComparer.Ordinal).Where(name => saved.GetValueOrDefault(name) != now.GetValueOrDefault(name))
            .Select(name => (name, saved.GetValueOrDefault(name) ?? "none", now.GetValueOrDefault(name) ?? "none")),
    ];

    private static string Listed(IEnumerable<(string Name, string Value)> options) => string.Join(", ", options.Select(option => $"{option.Name} {option.Value}"));

    private static CheckpointRefusedException Changed(string what, string where, string saved, string now) =>
        new(what, where, saved, now, "continue with what the run was started with, or remove the run's folder to start anew");
}
