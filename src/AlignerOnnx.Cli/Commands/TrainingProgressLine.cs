using System.Globalization;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>The line that shows how training goes on: step, loss, learning rate, speed and the time left.</summary>
internal sealed class TrainingProgressLine(CommandOutput output) : IDisposable
{
    private readonly ProgressLine _line = output.Progress();
    private TrainingProgress? _last;

    public void Report(TrainingProgress progress)
    {
        _last = progress;
        _line.Report(() => Text(progress));
        if (progress.Growth is { } growth)
        {
            Finish();
            output.Message($"warning: {growth.Message}");
        }
    }

    /// <summary>Leaves the last step's line standing: what is said or reported next starts a line of its own.</summary>
    public void Finish()
    {
        if (_last is not null)
        {
            _line.Finish(Text(_last));
            _last = null;
        }
    }

    public void Dispose() => _line.Dispose();

    private static string Text(TrainingProgress progress) => string.Create(CultureInfo.InvariantCulture,
        $"step {progress.Step}/{progress.Steps}  loss {progress.Loss:F4}{Preference(progress)}  lr {progress.LearningRate:G3}  {progress.TokensPerSecond:N0} tokens/s  {PeakMemory.ReadBytes() / 1e6:N0} MB  {progress.Left:hh\\:mm\\:ss} left");

    private static string Preference(TrainingProgress progress) => progress.Values is { } values && values.TryGetValue(PreferenceMeasures.AccuracyName, out double accuracy)
        ? string.Create(CultureInfo.InvariantCulture, $"  preferred {accuracy:P0}  margin {values[PreferenceMeasures.MarginName]:F2}")
        : "";
}
