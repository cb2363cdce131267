using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>A decoder in plain ONNX Runtime, with its key/value cache and, where it has slots, an adapter's values.</summary>
public sealed class DecoderSession : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();
    private readonly (string Input, string Output)[] _cache;
    private readonly AttentionSite _site;

    /// <summary>Opens a decoder.</summary>
    /// <param name="model">The model; it may have been rewritten in memory.</param>
    /// <exception cref="ModelRefusedException">ONNX Runtime cannot run it.</exception>
    public DecoderSession(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        _site = sites[0];
        _cache = [.. sites.SelectMany(site => new[] { (3, 1), (4, 2) }.Select(pair => (site.Core.Input(pair.Item1)!.Name, site.Core.Outputs[pair.Item2]!.Name)))];
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        // Several decoders stand side by side here; the idle threads of one must not take the processor from the next.
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(Path.GetFullPath(model.Path!))!);
        try
        {
            _session = new InferenceSession(model.ToBytes(), options);
        }
        catch (OnnxRuntimeException error)
        {
            throw new ModelRefusedException("ONNX Runtime cannot run the model", model.Path, error.Message, "a model for the cpu", "check the model with the exporter's own tools", error);
        }
    }

    /// <summary>What a step leaves: the logits [b, s, V] and the cache for the next step.</summary>
    /// <param name="Logits">The logits.</param>
    /// <param name="Cache">The keys and values of every layer.</param>
    public sealed record Step(float[] Logits, IReadOnlyList<OrtValue> Cache) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose()
        {
            foreach (OrtValue value in Cache)
            {
                value.Dispose();
            }
        }
    }

    /// <summary>Runs one step.</summary>
    /// <param name="ids">Token ids [b, s].</param>
    /// <param name="batch">b.</param>
    /// <param name="past">The step before; null at the start.</param>
    /// <param name="pastLength">Positions in the cache.</param>
    /// <param name="delta">The value of <c>aligner.delta</c>, [1, L, d]; null for its default.</param>
    public Step Run(long[] ids, int batch, Step? past = null, int pastLength = 0, OrtValue? delta = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int length = ids.Length / batch;
        long[] mask = new long[batch * (pastLength + length)];
        Array.Fill(mask, 1);
        using OrtValue idValue = OrtValue.CreateTensorValueFromMemory(ids, [batch, length]);
        using OrtValue maskValue = OrtValue.CreateTensorValueFromMemory(mask, [batch, pastLength + length]);
        IReadOnlyList<OrtValue> cache = past?.Cache ?? [.. _cache.Select(_ => EmptyCache(batch))];
        List<string> names = ["input_ids", "attention_mask", .. _cache.Select(pair => pair.Input)];
        List<OrtValue> values = [idValue, maskValue, .. cache];
        if (delta is not null)
        {
            names.Add("aligner.delta");
            values.Add(delta);
        }
        IReadOnlyCollection<OrtValue> results = _session.Run(_run, names, values, ["logits", .. _cache.Select(pair => pair.Output)]);
        if (past is null)
        {
            foreach (OrtValue empty in cache)
            {
                empty.Dispose();
            }
        }
        using OrtValue logits = results.First();
        return new Step(logits.GetTensorDataAsSpan<float>().ToArray(), [.. results.Skip(1)]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _run.Dispose();
        _session.Dispose();
    }

    private OrtValue EmptyCache(int batch) => OrtValue.CreateTensorValueFromMemory(Array.Empty<float>(), [batch, _site.KeyValueHeads, 0, _site.HeadSize]);
}
