using System.Diagnostics;
using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>All ways to make a training step beside each other. Each runs in a process of its own, because a process knows only the peak of its whole life.</summary>
public static class TrainingStepTable
{
    private static readonly TrainingStepCase Short = new();
    private static readonly TrainingStepCase Long = new() { Rows = 1, Length = 512 };
    private static readonly TrainingStepCase Various = new() { Rows = 8, Mixed = true };

    /// <summary>The cases.</summary>
    /// <param name="quantised">Whether the model has quantised weights, so that it is also measured in float32.</param>
    /// <param name="ortTraining">Whether to measure ONNX Runtime Training too.</param>
    public static IReadOnlyList<TrainingStepCase> Cases(bool quantised, bool ortTraining)
    {
        TrainingStepCase[] plain = [Short, Short with { Recompute = true }, Long, Long with { Recompute = true }, Various, Various with { Pack = true }];
        TrainingStepCase[] other = [Short, Short with { Recompute = true }];
        return
        [
            .. plain,
            .. quantised ? plain.Select(each => each with { Float32 = true }) : [],
            .. ortTraining ? other.Select(each => each with { OrtTraining = true }) : [],
            .. ortTraining && quantised ? other.Select(each => each with { OrtTraining = true, Float32 = true }) : [],
        ];
    }

    /// <summary>Measures one case in a new process.</summary>
    /// <param name="program">The program and its first arguments, up to <c>bench training MODEL</c>.</param>
    /// <param name="what">The case.</param>
    /// <param name="cancellation">Stops the process.</param>
    /// <returns>The document that <c>bench training --json</c> writes.</returns>
    /// <exception cref="IOException">The process failed; the message is what it wrote.</exception>
    public static async Task<JsonElement> MeasureAsync(IReadOnlyList<string> program, TrainingStepCase what, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(program);
        ArgumentNullException.ThrowIfNull(what);
        ProcessStartInfo start = new(program[0], [.. program.Skip(1), .. ArgumentsOf(what), "--json"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start) ?? throw new IOException($"{program[0]} did not start");
        using CancellationTokenRegistration stop = cancellation.Register(() => process.Kill(entireProcessTree: true));
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellation);
        string document = await process.StandardOutput.ReadToEndAsync(cancellation).ConfigureAwait(false);
        await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
        return process.ExitCode == 0
            ? JsonDocument.Parse(document).RootElement
            : throw new IOException($"the measurement of {what} failed: {await errors.ConfigureAwait(false)}");
    }

    private static IEnumerable<string> ArgumentsOf(TrainingStepCase what) =>
    [
        "--rows", $"{what.Rows}", "--length", $"{what.Length}", "--tokens", $"{what.Tokens}",
        .. Switch("--mixed", what.Mixed), .. Switch("--pack", what.Pack), .. Switch("--recompute", what.Recompute), .. Switch("--float32", what.Float32),
        .. what.OrtTraining ? ["--engine", "ort-training"] : (string[])[],
    ];

    private static string[] Switch(string name, bool on) => on ? [name] : [];
}
