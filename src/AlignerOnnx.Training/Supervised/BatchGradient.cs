using System.Numerics.Tensors;

namespace AlignerOnnx.Training;

/// <summary>The gradient of one update, summed over its micro-batches.</summary>
internal sealed class BatchGradient(AdapterShape shape)
{
    public float[] Tokens { get; } = new float[shape.TokenValues];

    public float[] Gates { get; } = new float[shape.GateValues];

    public double Loss { get; private set; }

    /// <summary>Computes the gradient of the mean loss over all completion tokens of the rows.</summary>
    public void Compute(IGradientEngine engine, IReadOnlyList<TrainingExample> rows, AdapterParameters parameters, SupervisedTrainingOptions options, CancellationToken cancellationToken)
    {
        Array.Clear(Tokens);
        Array.Clear(Gates);
        Loss = 0;
        int targets = rows.Sum(row => row.TargetCount);
        foreach (TrainingExample[] part in rows.Chunk(options.MicroBatchSize ?? rows.Count))
        {
            TrainingBatch batch = TrainingBatch.Create(part, options.PaddingId, targets, options.Pack);
            Add(engine.ComputeGradients(batch, parameters, cancellationToken));
        }
    }

    private void Add(GradientResult result)
    {
        Loss += result.Loss;
        TensorPrimitives.Add(Tokens, result.TokenGradient, Tokens);
        TensorPrimitives.Add(Gates, result.GateGradient, Gates);
    }
}
