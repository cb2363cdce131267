using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Artifacts of ONNX Runtime Training that go on where something else stopped.</summary>
public static class OnDeviceArtifacts
{
    /// <summary>Writes the artifacts of a model.</summary>
    /// <param name="model">A model folder or an .onnx file.</param>
    /// <param name="destination">The folder to make; it must not exist, or be empty.</param>
    /// <param name="options">What to train; tokens, attention and start layer are those of the source where there is one.</param>
    /// <param name="from">An adapter folder, the folder of a stopped run, or a checkpoint of ONNX Runtime Training; null starts from nothing.</param>
    /// <param name="anyBase">Whether the source may be of another quantisation of the model.</param>
    /// <param name="widthExponent">By which power of the hidden size the schedule's rates fall, which are then those of 128; 0 (the default) leaves them.</param>
    /// <returns>What was made, with the source's tokens, attention and start layer.</returns>
    /// <exception cref="RefusedException">The model or the source cannot be used.</exception>
    /// <exception cref="IOException">The destination is taken, or the disk is full.</exception>
    public static ArtifactOptions Write(string model, string destination, ArtifactOptions options, string? from = null, bool anyBase = false, double widthExponent = 0)
    {
        ArgumentNullException.ThrowIfNull(options);
        FrozenModel frozen = new(model);
        options = options with { StartLayer = frozen.Architecture.StartLayerFor(options.StartLayer, model), Schedule = options.Schedule?.ForWidth(frozen.Architecture.HiddenSize, widthExponent) };
        if (from is not null)
        {
            AdapterStart start = AdapterStart.Read(frozen, from, anyBase);
            options = options with { Tokens = start.Parameters.Shape.TokenCount, Attention = start.Attention, StartLayer = start.Layer, Start = new OrtCheckpoint(start.Parameters, start.Optimizer) };
        }
        AdapterParameters written = TrainingArtifacts.Write(model, destination, options);
        return options with { Start = new OrtCheckpoint(written, options.Start?.Optimizer) };
    }
}
