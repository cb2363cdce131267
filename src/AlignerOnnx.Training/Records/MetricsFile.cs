using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Training;

/// <summary>One line of a run's metrics: what a step measured, and the evaluation after it where there was one.</summary>
public sealed record MetricsRow
{
    /// <summary>The step, from 1.</summary>
    public required int Step { get; init; }

    /// <summary>All steps of the run.</summary>
    public int Steps { get; init; }

    /// <summary>Loss of the step's batch before its update.</summary>
    public double Loss { get; init; }

    /// <summary>Loss of the held-out rows after the step; null where they were not measured.</summary>
    public double? EvalLoss { get; init; }

    /// <summary>The step's learning rate.</summary>
    public double LearningRate { get; init; }

    /// <summary>Norm of the gradient before clipping.</summary>
    public double GradientNorm { get; init; }

    /// <summary>Tokens read for each second of the run so far.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Peak memory of the process.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>When it was written, in seconds since 1970.</summary>
    public double Time { get; init; }

    /// <summary>Further measures by name, those of evaluations with <c>eval_</c> before it.</summary>
    public IReadOnlyDictionary<string, double>? Values { get; init; }

    /// <summary>Every measure by its name in figures.</summary>
    [JsonIgnore]
    public IEnumerable<(string Name, double Value)> Measures =>
    [
        ("loss", Loss), .. EvalLoss is double eval ? [("eval_loss", eval)] : Array.Empty<(string, double)>(), ("learning_rate", LearningRate), ("gradient_norm", GradientNorm), ("tokens_per_second", TokensPerSecond),
        .. (Values ?? new Dictionary<string, double>()).Select(value => (value.Key, value.Value)),
    ];

    /// <summary>The row of a step.</summary>
    /// <param name="progress">What the step measured.</param>
    /// <param name="time">When.</param>
    public static MetricsRow Of(TrainingProgress progress, DateTimeOffset time)
    {
        ArgumentNullException.ThrowIfNull(progress);
        Dictionary<string, double> values = new(progress.Values ?? new Dictionary<string, double>());
        foreach ((string name, double value) in progress.Evaluation?.Values ?? new Dictionary<string, double>())
        {
            values[$"eval_{name}"] = value;
        }
        return new MetricsRow
        {
            Step = progress.Step,
            Steps = progress.Steps,
            Loss = progress.Loss,
            EvalLoss = progress.Evaluation?.Loss,
            LearningRate = progress.LearningRate,
            GradientNorm = progress.GradientNorm,
            TokensPerSecond = Math.Round(progress.TokensPerSecond, 1),
            MemoryBytes = PeakMemory.ReadBytes(),
            Time = time.ToUnixTimeMilliseconds() / 1e3,
            Values = values.Count == 0 ? null : values,
        };
    }
}

/// <summary>The metrics of a run as JSON lines, one a step, each on disk's way as soon as the step is made so that others can follow.</summary>
public sealed class MetricsFile : IDisposable
{
    private readonly FileStream _file;

    private MetricsFile(FileStream file) => _file = file;

    /// <summary>Opens a file to write on.</summary>
    /// <param name="path">The file.</param>
    /// <param name="after">The step that the run continues after; lines of later steps, made before the run was stopped, are cut off. 0 starts anew.</param>
    public static MetricsFile Open(string path, int after)
    {
        FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
        file.SetLength(LengthUpTo(path, after));
        file.Seek(0, SeekOrigin.End);
        return new MetricsFile(file);
    }

    /// <summary>Appends a line.</summary>
    public void Append(MetricsRow row)
    {
        _file.Write(JsonSerializer.SerializeToUtf8Bytes(row, MetricsJson.Default.MetricsRow));
        _file.WriteByte((byte)'\n');
        _file.Flush();
    }

    /// <summary>Reads the lines of a file; a last one that was not completed is left out.</summary>
    /// <param name="path">The file.</param>
    public static IReadOnlyList<MetricsRow> Read(string path) => [.. Lines(path).Select(line => line.Row)];

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static long LengthUpTo(string path, int step) => Lines(path).TakeWhile(line => line.Row.Step <= step).Select(line => line.End).LastOrDefault();

    private static IEnumerable<(MetricsRow Row, long End)> Lines(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] text = new byte[stream.Length];
        stream.ReadExactly(text);
        int start = 0;
        for (int end = Array.IndexOf(text, (byte)'\n'); end >= 0; end = Array.IndexOf(text, (byte)'\n', start))
        {
            if (Parse(text.AsSpan(start..end)) is not MetricsRow row)
            {
                yield break;
            }
            start = end + 1;
            yield return (row, start);
        }
    }

    private static MetricsRow? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, MetricsJson.Default.MetricsRow);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(MetricsRow))]
internal sealed partial class MetricsJson : JsonSerializerContext;
