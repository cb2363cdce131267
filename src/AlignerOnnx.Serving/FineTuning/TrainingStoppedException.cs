using System.Globalization;

namespace AlignerOnnx.Serving;

/// <summary>Training was cancelled; a checkpoint holds its state.</summary>
/// <param name="step">Steps made.</param>
/// <param name="folder">The run's folder.</param>
/// <param name="cancellation">What cancelled it.</param>
public sealed class TrainingStoppedException(int step, string folder, CancellationToken cancellation)
    : OperationCanceledException(string.Create(CultureInfo.InvariantCulture, $"stopped after step {step}\n  where: {folder}\n  what to do: run the same command with --resume to continue"), cancellation);
