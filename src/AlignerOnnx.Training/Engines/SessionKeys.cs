namespace AlignerOnnx.Training;

/// <summary>Entries of a session's configuration in ONNX Runtime.</summary>
internal static class SessionKeys
{
    /// <summary>How exactly ONNX Runtime multiplies by a weight behind DequantizeLinear, as the accuracy_level of MatMulNBits; without it activations are rounded to int8.</summary>
    internal const string DequantisedAccuracy = "session.qdq_matmulnbits_accuracy_level";

    /// <summary>The <see cref="DequantisedAccuracy"/> of activations that stay float32.</summary>
    internal const string FloatActivations = "1";

    /// <summary>Where the weights of a graph that is made from bytes stand.</summary>
    internal const string ExternalFolder = "session.model_external_initializers_file_folder_path";
}
