namespace AlignerOnnx.Training;

/// <summary>What a checkpoint of ONNX Runtime Training holds of an adapter in training.</summary>
/// <param name="Parameters">Tokens and gates.</param>
/// <param name="Optimizer">The optimizer's memory; null where no step was made.</param>
public sealed record OrtCheckpoint(AdapterParameters Parameters, AdamWState? Optimizer = null)
{
    /// <summary>The fingerprint of the base model that the artifacts were made from; null where the file does not say. The runtime carries it from file to file.</summary>
    public string? BaseFingerprint { get; init; }
}
