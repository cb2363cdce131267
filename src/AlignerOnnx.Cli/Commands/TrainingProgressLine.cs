using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>The line that shows how training goes on: step, loss, learning rate, speed and the time left.</summary>
internal sealed class TrainingProgressLine(CommandOutput output) : IDisposable
{
    private readonly ProgressLine _line = output.Progress();
    private Func<string>? _last;

    public void Report(TrainingProgress progress)
    {
        _last = () => Text(progress);
        _line.Report(_last);
        if (progress.Growth is { } growth)
        {
            Finish();
            output.Message($"warning: {growth.Message}");
        }
    }

    /// <summary>The work before the first step.</summary>
    public void Report(WorkProgress progress) => _line.Report(progress);

    /// <summary>Leaves the last step's line standing: what is said or reported next starts a line of its own.</summary>
    public void Finish()
    {
        if (_last is not null)
        {
            _line.Finish(_last());
            _last = null;
        }
    }

    public void Dispose() => _line.Dispose();

    internal static string Text(TrainingProgress progress) => string.Create(CultureInfo.InvariantCulture,
        $"step {progress.Step}/{progress.Steps}  loss {progress.Loss:F4}{Preference(progress)}  lr {progress.LearningRate:G3}  {progress.TokensPerSecond:N0} tokens/s  {progress.PeakMemoryBytes / 1e6:N0} MB  {progress.Left:hh\\:mm\\:ss} left");

    private static string Preference(TrainingProgress progress) => progress.Values is { } values && values.TryGetValue(PreferenceMeasures.AccuracyName, out double accuracy)
        ? string.Create(CultureInfo.InvariantCulture, $"  preferred {accuracy:P0}  margin {values[PreferenceMeasures.MarginName]:0.00;-0.00;0.00}")
        : "";
}
