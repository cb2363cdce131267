using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>The loss or its gradient became infinite or not a number; training stopped before the update.</summary>
/// <param name="step">The step, counted from 1.</param>
/// <param name="quantity">What is not finite: <c>loss</c> or <c>gradient</c>.</param>
/// <param name="value">Its value.</param>
/// <param name="learningRate">The step's learning rate.</param>
/// <param name="places">The rows of the batch.</param>
/// <param name="state">The state after the last good step.</param>
public sealed class TrainingDivergedException(int step, string quantity, double value, double learningRate, IReadOnlyList<string> places, TrainingState state)
    : Exception(string.Create(CultureInfo.InvariantCulture, $"training stopped at step {step}: the {quantity} is {value}\n  where: {string.Join(", ", places)}\n  found: {quantity} {value} at learning rate {learningRate}\n  expected: a finite {quantity}\n  what to do: lower the learning rate, clip the gradient norm, or check these rows"))
{
    /// <summary>The step, counted from 1.</summary>
    public int Step { get; } = step;

    /// <summary>The rows of the batch, as they stand in their file.</summary>
    public IReadOnlyList<string> Places { get; } = places;

    /// <summary>The state after the last good step.</summary>
    public TrainingState State { get; } = state;
}
