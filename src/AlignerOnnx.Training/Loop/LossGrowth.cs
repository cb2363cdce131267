using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>The loss has grown far above where it started: steps this large unlearn more than they learn. It may come down again as the rate falls.</summary>
/// <param name="Step">The step at which that was plain, from 1.</param>
/// <param name="Start">The mean loss of the first steps.</param>
/// <param name="Loss">The mean loss of the last steps up to <paramref name="Step"/>.</param>
public sealed record LossGrowth(int Step, double Start, double Loss)
{
    // A batch's loss jumps from step to step; means of a few batches do not reach twice the start and half a nat by chance.
    private const int StartSteps = 3;
    private const int LastSteps = 10;
    private const double Factor = 2;
    private const double Nats = 0.5;

    /// <summary>What happened and what to do, in two lines.</summary>
    public string Message => string.Create(CultureInfo.InvariantCulture,
        $"the loss has grown to {Loss:G3} at step {Step} (mean of {LastSteps} steps), from {Start:G3} at the start\n  what to do: train with a smaller --learning-rate, a tenth of this one for example; with --eval the best adapter is kept");

    /// <summary>The first time that the loss of a run grew; null where it never did.</summary>
    /// <param name="losses">The loss of each step.</param>
    public static LossGrowth? Find(IReadOnlyList<double> losses)
    {
        ArgumentNullException.ThrowIfNull(losses);
        return Enumerable.Range(1, losses.Count).Select(step => At(losses, step)).FirstOrDefault(growth => growth is not null);
    }

    /// <summary>How far the loss has grown by a step; null where it has not.</summary>
    internal static LossGrowth? At(IReadOnlyList<double> losses, int step)
    {
        if (step < StartSteps + LastSteps)
        {
            return null;
        }
        double start = losses.Take(StartSteps).Average();
        double last = Enumerable.Range(step - LastSteps, LastSteps).Average(i => losses[i]);
        return last > (Factor * start) + Nats ? new LossGrowth(step, start, last) : null;
    }
}
