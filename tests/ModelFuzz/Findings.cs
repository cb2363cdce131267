namespace AlignerOnnx.ModelFuzz;

/// <summary>The inputs that were not handled, one of each kind.</summary>
internal sealed class Findings(string folder)
{
    private readonly HashSet<string> _kinds = new(StringComparer.Ordinal);

    /// <summary>How many inputs.</summary>
    public long Count { get; private set; }

    /// <summary>Keeps an input, the first of its kind.</summary>
    /// <param name="model">The input.</param>
    /// <param name="origin">How it was made.</param>
    /// <param name="trouble">What happened; the first line and the innermost frame tell kinds apart.</param>
    public void Keep(byte[] model, string origin, string trouble)
    {
        Count++;
        string[] lines = trouble.Split('\n');
        string frame = lines.FirstOrDefault(line => line.Contains(" in /", StringComparison.Ordinal)) ?? "";
        string type = lines[0].Split(':')[0];
        if (!_kinds.Add(type + frame))
        {
            return;
        }
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, $"finding-{_kinds.Count}.onnx");
        File.WriteAllBytes(file, model);
        File.WriteAllText(file + ".txt", $"{origin}\n{trouble}\n");
        Console.WriteLine($"FINDING {_kinds.Count}: {origin}: {lines[0]}\n{frame}\n  {file}");
    }
}
