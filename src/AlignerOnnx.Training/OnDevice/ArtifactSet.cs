namespace AlignerOnnx.Training;

/// <summary>The artifacts of a model in memory; the frozen weights stay in the files of a folder.</summary>
/// <param name="TrainingModel">The graph of a training step.</param>
/// <param name="EvaluationModel">The graph of an evaluation step.</param>
/// <param name="OptimizerModel">The graph of an optimizer step.</param>
/// <param name="Checkpoint">The checkpoint.</param>
/// <param name="DataFolder">The folder of the weights.</param>
public sealed record ArtifactSet(byte[] TrainingModel, byte[] EvaluationModel, byte[] OptimizerModel, byte[] Checkpoint, string DataFolder)
{
    /// <summary>The parts by the names of their files.</summary>
    public IEnumerable<(string Name, byte[] Content)> Files =>
    [
        (ArtifactNames.TrainingModel, TrainingModel), (ArtifactNames.EvaluationModel, EvaluationModel), (ArtifactNames.OptimizerModel, OptimizerModel), (ArtifactNames.Checkpoint, Checkpoint),
    ];
}
