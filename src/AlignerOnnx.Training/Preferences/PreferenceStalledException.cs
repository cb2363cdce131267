using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>After training steps every answer is still exactly as probable as by the reference: nothing is learnt.</summary>
/// <param name="steps">Steps made.</param>
/// <param name="travelled">The sum of their learning rates.</param>
public sealed class PreferenceStalledException(int steps, double travelled) : Exception(string.Create(CultureInfo.InvariantCulture,
    $"preference training does not move the model\n  where: after step {steps}\n  found: every answer of the batch is as probable as by the reference, after steps of {travelled:G3} in sum\n  expected: other probabilities after the first step\n  what to do: check that the start is not an adapter of zeros and that its layers are those of the model"))
{
    /// <summary>Steps made.</summary>
    public int Steps { get; } = steps;
}
