using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>Training ended before its last step: measurements of the held-out rows got no better.</summary>
/// <param name="Step">The last step made.</param>
/// <param name="Steps">The steps asked for.</param>
/// <param name="Measurements">Measurements in a row without a better one.</param>
/// <param name="BestStep">The step after which the best one was made; null where none was finite.</param>
/// <param name="LossGrown">Whether no patience was asked for, but the loss was far above its start (<see cref="LossGrowth"/>).</param>
public sealed record EarlyStop(int Step, int Steps, int Measurements, int? BestStep, bool LossGrown)
{
    /// <summary>When and why, in one line.</summary>
    public string Message => string.Create(CultureInfo.InvariantCulture,
        $"after step {Step} of {Steps}: {(Measurements == 1 ? "the last measurement was" : $"the last {Measurements} measurements were")} {(BestStep is int best ? $"no better than that of step {best}" : "not finite")}{(LossGrown ? ", and the loss is far above its start" : "")}");
}
