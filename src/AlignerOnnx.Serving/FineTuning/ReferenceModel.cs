using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What rewards are relative to: the base model, or an adapter on it. Its log-probabilities are computed once and kept in the user's cache.</summary>
internal sealed class ReferenceModel
{
    private readonly FrozenModel _model;
    private readonly AdapterStart _adapter;
    private readonly string _hash;

    public ReferenceModel(FrozenModel model, string? folder, bool anyBase)
    {
        _model = model;
        Name = folder ?? "base";
        _hash = FileHashes.OfAdapter(folder) ?? "base";
        int last = model.Architecture.Layers - 1;
        _adapter = folder is null ? new AdapterStart(last, AdapterParameters.Initial(model.Shape(last, 1), 0)) : AdapterStart.Of(model, model.LoadAdapter(folder, anyBase));
    }

    /// <summary><c>base</c> or the adapter folder.</summary>
    public string Name { get; }

    /// <summary>The pairs of each data set with the reference's log-probabilities.</summary>
    /// <param name="data">Tokenised data sets.</param>
    /// <param name="modelHash">SHA-256 of the model.</param>
    /// <param name="batchSize">Pairs computed at once.</param>
    /// <param name="say">Is told where they came from.</param>
    /// <param name="cancellation">Stops the computation.</param>
    public IReadOnlyList<ReferencedPairs> Of(IReadOnlyList<EncodedPreferences> data, string modelHash, int batchSize, Action<string>? say, CancellationToken cancellation)
    {
        OnnxRuntimeEngine? engine = null;
        try
        {
            return [.. data.Select(set => new ReferencedPairs(set.Pairs, Of(set.Pairs)))];
        }
        finally
        {
            engine?.Dispose();
        }

        IReadOnlyList<float> Of(IReadOnlyList<PreferencePair> pairs)
        {
            ReferenceCache cache = new(modelHash, _hash, pairs);
            if (cache.Read() is float[] kept)
            {
                say?.Invoke($"reference: {Name}; the log-probabilities of {2 * pairs.Count} answers come from {cache.Path}");
                return kept;
            }
            say?.Invoke($"reference: {Name}; computing the log-probabilities of {2 * pairs.Count} answers once");
            engine ??= _model.OpenForEvaluation(_adapter.Layer, _adapter.Parameters.Shape.TokenCount);
            float[] computed = SequenceLogProbabilities.Measure(engine, pairs, _adapter.Parameters, batchSize, cancellationToken: cancellation);
            cache.Write(computed);
            return computed;
        }
    }
}
