namespace AlignerOnnx.Graph;

/// <summary>Something stands where an output was to be made; it is left as it is.</summary>
/// <param name="path">What stands there.</param>
public sealed class OutputTakenException(string path) : IOException($"The output {path} already exists. Name a new folder, or remove that one first.")
{
    /// <summary>What stands there.</summary>
    public string Path { get; } = path;
}
