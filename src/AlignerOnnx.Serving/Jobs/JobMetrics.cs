using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace AlignerOnnx.Serving;

/// <summary>Follows the training of a job and records its losses as events: from the run's metrics.jsonl, or from progress lines where there is no such file.</summary>
internal sealed partial class JobMetrics(JobStore jobs, string job, string file)
{
    private readonly Lock _gate = new();
    private readonly List<Measured> _waiting = [];
    private int _last = LastStep(jobs, job);
    private long _position;

    /// <summary>Takes a line of the training's standard error.</summary>
    internal void TakeLine(string line)
    {
        Match match = ProgressLine().Match(line);
        if (match.Success && !File.Exists(file))
        {
            Add(new Measured(Whole(match.Groups[1]), Whole(match.Groups[2]), double.Parse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture), null));
        }
    }

    /// <summary>Records what is new.</summary>
    internal void Record()
    {
        foreach (string line in NewLines())
        {
            if (Parse(line) is { } measured)
            {
                Add(measured);
            }
        }
        Measured[] taken;
        lock (_gate)
        {
            taken = [.. _waiting];
            _waiting.Clear();
        }
        if (taken.Length > 0)
        {
            jobs.AddEvents(job, taken.Select(each => (Message(each), Data(each))));
        }
    }

    /// <summary>The recorded losses as the table that OpenAI's result files have.</summary>
    internal static string Table(JobStore jobs, string job)
    {
        StringBuilder table = new("step,train_loss,valid_loss\n");
        foreach (JsonElement data in jobs.Events(job).Reverse().Where(each => each.Type == "metrics").Select(each => each.Data!.Value))
        {
            string valid = data.TryGetProperty("valid_loss", out JsonElement loss) ? loss.GetRawText() : "";
            table.Append(CultureInfo.InvariantCulture, $"{data.GetProperty("step").GetInt32()},{data.GetProperty("train_loss").GetRawText()},{valid}\n");
        }
        return table.ToString();
    }

    private void Add(Measured measured)
    {
        lock (_gate)
        {
            // A resumed run repeats the steps since its checkpoint, with the same losses.
            if (measured.Step > _last && double.IsFinite(measured.Loss))
            {
                _last = measured.Step;
                _waiting.Add(measured);
            }
        }
    }

    /// <summary>The lines that were completed since the last call.</summary>
    private List<string> NewLines()
    {
        List<string> lines = [];
        if (!File.Exists(file))
        {
            return lines;
        }
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        // Shorter than before: a resumed run cut off what came after its checkpoint.
        _position = Math.Min(_position, stream.Length);
        stream.Position = _position;
        using StreamReader reader = new(stream);
        string text = reader.ReadToEnd();
        int end = text.LastIndexOf('\n') + 1;
        _position += Encoding.UTF8.GetByteCount(text.AsSpan(0, end));
        lines.AddRange(text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries));
        return lines;
    }

    private static Measured? Parse(string line)
    {
        try
        {
            JsonElement row = JsonDocument.Parse(line).RootElement;
            return Number(row, "step") is double step && (Number(row, "loss") ?? Number(row, "train_loss")) is double loss
                ? new Measured((int)step, (int?)Number(row, "steps"), loss, Number(row, "eval_loss") ?? Number(row, "valid_loss"))
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static double? Number(JsonElement row, string name) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static string Message(Measured measured) =>
        string.Create(CultureInfo.InvariantCulture, $"Step {measured.Step}{(measured.Steps is int steps ? $"/{steps}" : "")}: training loss={measured.Loss:F4}");

    private static string Data(Measured measured)
    {
        Dictionary<string, double> data = new() { ["step"] = measured.Step, ["train_loss"] = measured.Loss };
        if (measured.Steps is int steps)
        {
            data["total_steps"] = steps;
        }
        if (measured.ValidationLoss is double loss && double.IsFinite(loss))
        {
            data["valid_loss"] = loss;
        }
        return JsonSerializer.Serialize(data, ApiJson.Default.DictionaryStringDouble);
    }

    private static int LastStep(JobStore jobs, string job) =>
        jobs.Events(job).FirstOrDefault(each => each.Type == "metrics")?.Data?.GetProperty("step").GetInt32() ?? 0;

    private static int Whole(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^step (\d{1,9})/(\d{1,9})  loss ([0-9.eE+-]+)", RegexOptions.CultureInvariant)]
    private static partial Regex ProgressLine();

    private sealed record Measured(int Step, int? Steps, double Loss, double? ValidationLoss);
}
