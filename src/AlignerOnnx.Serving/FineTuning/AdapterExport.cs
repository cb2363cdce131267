using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The forms of other programs in which tokens and gates can be written; <see cref="AdapterImport"/> reads each of them.</summary>
public enum ExportFormat
{
    /// <summary>A torch file of the method's authors.</summary>
    LitLlama,

    /// <summary>A checkpoint of ONNX Runtime Training, to go on with on a device.</summary>
    OrtCheckpoint,
}

/// <summary>Writes adapters in forms that other programs read.</summary>
public static class AdapterExport
{
    /// <summary>Writes an adapter.</summary>
    /// <param name="adapter">The adapter folder.</param>
    /// <param name="format">The form.</param>
    /// <param name="output">The file to write, complete or not at all.</param>
    /// <exception cref="AdapterRefusedException">The adapter is damaged, or the form cannot hold it.</exception>
    public static void Run(string adapter, ExportFormat format, string output)
    {
        Adapter loaded = AdapterPackage.Load(adapter);
        if (format == ExportFormat.LitLlama)
        {
            LitLlamaCheckpoint.Write(loaded, output);
            return;
        }
        AdapterShape shape = new(loaded.Config.NumTokens, loaded.Config.HiddenSize, loaded.Config.GatedLayers, loaded.Config.NumHeads);
        OrtCheckpoint checkpoint = new(new AdapterParameters(shape, loaded.Tokens.ToArray(), loaded.Gates.ToArray())) { BaseFingerprint = loaded.Config.BaseFingerprint is { Length: > 0 } fingerprint ? fingerprint : null };
        AtomicOutput.WriteFile(output, stream => stream.Write(OrtCheckpointFile.ToBytes(checkpoint)));
    }
}
