using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>The files that a run leaves beside its adapter, as full paths.</summary>
/// <param name="Metrics">JSON lines, one a step.</param>
/// <param name="LossCurve">An SVG picture of the losses.</param>
/// <param name="LossPicture">The same as PNG.</param>
/// <param name="TensorBoard">An event file for TensorBoard.</param>
public sealed record RunRecords(string Metrics, string LossCurve, string LossPicture, string TensorBoard)
{
    /// <summary>The records of a run's folder.</summary>
    /// <param name="folder">The folder.</param>
    public static RunRecords In(RunFolder folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        return new RunRecords(folder.File("metrics.jsonl"), folder.File("loss.svg"), folder.File("loss.png"), folder.File("events.out.tfevents.aligner"));
    }

    /// <summary>Draws the metrics as they are, each file complete or not at all. Pictures are no reason to lose what was trained: a file that cannot be written is left out.</summary>
    /// <param name="title">What was trained.</param>
    /// <returns>Why a file was left out, a disk that is full for example; null where none was.</returns>
    public string? Draw(string title)
    {
        IReadOnlyList<MetricsRow> rows = MetricsFile.Read(Metrics);
        ChartLine[] lines =
        [
            new("training", [.. rows.Select(row => ((double)row.Step, row.Loss))]),
            new("held out", [.. rows.Where(row => row.EvalLoss is not null).Select(row => ((double)row.Step, row.EvalLoss!.Value))]),
        ];
        ChartLine[] drawn = [.. lines.Where(line => line.Points.Count > 0)];
        SvgCanvas svg = new(title);
        LineChart.Draw(svg, title, "step", "loss", drawn);
        PixelCanvas picture = new();
        LineChart.Draw(picture, title, "step", "loss", drawn);
        string?[] problems =
        [
            Write(LossCurve, stream => stream.Write(svg.ToBytes())),
            Write(LossPicture, stream => PngFile.Write(stream, PixelCanvas.Width, picture.Pixels)),
            Write(TensorBoard, stream => TensorBoardFile.Write(stream, rows)),
        ];
        return problems.FirstOrDefault(problem => problem is not null);
    }

    private static string? Write(string file, Action<Stream> content)
    {
        try
        {
            AtomicOutput.WriteFile(file, content);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{Path.GetFileName(file)}: {e.Message}";
        }
    }
}
