namespace AlignerOnnx.Training;

/// <summary>Is told how training goes on, on the thread that trains.</summary>
public interface ITrainingWatcher
{
    /// <summary>A step was made and, where it was due, an evaluation after it.</summary>
    /// <param name="progress">The step.</param>
    /// <param name="state">Copies the state after it, from which training can be continued.</param>
    void Stepped(TrainingProgress progress, Func<TrainingState> state);
}
