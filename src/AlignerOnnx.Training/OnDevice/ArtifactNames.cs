namespace AlignerOnnx.Training;

/// <summary>Names that ONNX Runtime Training looks for in artifacts, and the files of an artifacts folder. Source: orttraining/training_api of onnxruntime 1.19.2.</summary>
public static class ArtifactNames
{
    /// <summary>The graph of a training step.</summary>
    public const string TrainingModel = "training_model.onnx";

    /// <summary>The graph of an evaluation step.</summary>
    public const string EvaluationModel = "eval_model.onnx";

    /// <summary>The graph of an optimizer step.</summary>
    public const string OptimizerModel = "optimizer_model.onnx";

    /// <summary>The trainable values.</summary>
    public const string Checkpoint = "checkpoint";

    internal const string ResetFlag = "lazy_reset_grad";

    internal const string BufferSuffix = "_grad.accumulation.buffer";

    internal const string AccumulatedSuffix = "_grad.accumulation.out";
}
