using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Decoding;
using AlignerOnnx.Kernels;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>A decoder in ONNX Runtime, with its weights. All batches share it; each runs it on its own thread.</summary>
internal sealed class BatchSession : IDisposable
{
    private readonly InferenceSession _session;
    private readonly DecodingRewrite _rewrite;

    /// <summary>Opens the decoder.</summary>
    /// <param name="model">The model; it is rewritten.</param>
    /// <param name="form">Its form.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="mayBeFlat">Whether tokens of any rows may be computed in one run, where the model allows it: slots then take a value for each token.</param>
    /// <param name="kernels">Whether kernels of our own compute what they can; else ONNX Runtime's all.</param>
    /// <exception cref="ModelRefusedException">ONNX Runtime cannot load it.</exception>
    internal BatchSession(OnnxModel model, BatchForm form, GenAIConfig config, bool mayBeFlat, bool kernels)
    {
        _rewrite = DecodingRewrite.Apply(model, form.HeadSize, kernels, mayBeFlat);
        _session = Open(model, config.Threads);
        LogitsType = _session.OutputMetadata[BatchForm.Logits].ElementDataType;
        HasNarrowIds = _session.InputMetadata[BatchForm.InputIds].ElementDataType == TensorElementType.Int32;
        Vocabulary = _session.OutputMetadata[BatchForm.Logits].Dimensions is [.., > 0 and var width] ? width : config.VocabularySize;
        Inputs = [BatchForm.InputIds, .. IsFlat ? [FlatTokens.Positions, FlatTokens.Rows, FlatTokens.Answers] : new[] { BatchForm.AttentionMask }, .. form.Caches.Select(cache => cache.Past)];
        Outputs = [BatchForm.Logits, .. form.Caches.Select(cache => cache.Present)];
    }

    /// <summary>V.</summary>
    internal int Vocabulary { get; }

    /// <summary>Whether one run takes tokens of any rows; else one token each of rows that follow each other, or several tokens of one row.</summary>
    internal bool IsFlat => _rewrite.IsFlat;

    /// <summary>Whether logits come for the last token of each row alone.</summary>
    internal bool HasLastLogitsOnly => _rewrite.LastOnly;

    internal TensorElementType LogitsType { get; }

    /// <summary>Whether ids are int32; else int64.</summary>
    internal bool HasNarrowIds { get; }

    /// <summary>The names of the inputs, without slots.</summary>
    internal string[] Inputs { get; }

    internal string[] Outputs { get; }

    /// <summary>Computes on the calling thread and the other threads of the session. May be called from several threads.</summary>
    /// <exception cref="OnnxRuntimeException">The computation failed.</exception>
    internal void Run(RunOptions options, IReadOnlyList<string> inputNames, IReadOnlyList<OrtValue> inputs, IReadOnlyList<OrtValue> outputs) =>
        _session.Run(options, inputNames, inputs, Outputs, outputs);

    public void Dispose() => _session.Dispose();

    private static InferenceSession Open(OnnxModel model, int? threads)
    {
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        options.IntraOpNumThreads = threads ?? 0;
        OperatorKernels.Register(options);
        options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(Path.GetFullPath(model.Path!))!);
        try
        {
            return new InferenceSession(model.ToBytes(), options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelRefusedException("ONNX Runtime cannot load the model", model.Path, e.Message, inner: e);
        }
    }
}
