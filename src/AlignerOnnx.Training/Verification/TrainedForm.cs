using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>The logits of the graph that adapters are trained in: the lowered decoder with the literal form of the method, float32 activations.</summary>
internal static class TrainedForm
{
    /// <summary>Logits [b, s, V]; null where the model cannot be trained.</summary>
    /// <param name="original">The base model.</param>
    /// <param name="adapter">The adapter, gated.</param>
    /// <param name="ids">Token ids [b, s].</param>
    /// <param name="rows">b.</param>
    public static float[]? Logits(OnnxModel original, Adapter adapter, long[] ids, int rows)
    {
        OnnxModel graph;
        try
        {
            graph = TrainingGraph.Build(original, TrainingGraphKind.Logits, adapter.Config.StartLayer, adapter.Config.NumTokens);
        }
        catch (ModelRefusedException)
        {
            return null;
        }
        int length = ids.Length / rows;
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        options.AddSessionConfigEntry(SessionKeys.ExternalFolder, Path.GetDirectoryName(Path.GetFullPath(original.Path!))!);
        options.AddSessionConfigEntry(SessionKeys.DequantisedAccuracy, SessionKeys.FloatActivations);
        using InferenceSession session = new(graph.ToBytes(), options);
        using RunOptions run = new();
        using OrtValue idValue = OrtValue.CreateTensorValueFromMemory(ids, [rows, length]);
        using OrtValue mask = OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, ids.Length).ToArray(), [rows, length]);
        using OrtValue tokens = OrtValue.CreateTensorValueFromMemory(adapter.Tokens.ToArray(), [adapter.Config.NumTokens, adapter.Config.HiddenSize]);
        using OrtValue gates = OrtValue.CreateTensorValueFromMemory(adapter.Gates.ToArray(), [adapter.Config.AdaptedLayers, adapter.Config.NumHeads]);
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, ["input_ids", "attention_mask", "aligner.tokens", "aligner.gates"], [idValue, mask, tokens, gates], ["logits"]);
        return results[0].GetTensorDataAsSpan<float>().ToArray();
    }
}
