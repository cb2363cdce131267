using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What rewards are relative to: the base model, or an adapter on it. Its log-probabilities are computed once and kept in the user's cache.</summary>
internal sealed class ReferenceModel : IDisposable
{
    private readonly FrozenModel _model;
    private readonly string _modelHash;
    private readonly AdapterStart _adapter;
    private readonly string _hash;
    private OnnxRuntimeEngine? _engine;

    /// <param name="model">The base model.</param>
    /// <param name="modelHash">Its hash.</param>
    /// <param name="folder">The adapter's folder; null for the base model.</param>
    /// <param name="adapter">What stands there.</param>
    public ReferenceModel(FrozenModel model, string modelHash, string? folder, AdapterStart? adapter)
    {
        _model = model;
        _modelHash = modelHash;
        Name = folder ?? "base";
        _hash = FileHashes.OfAdapter(folder) ?? "base";
        _adapter = adapter ?? AdapterStart.Neutral(model);
    }

    /// <summary>Reads an adapter to compare with.</summary>
    public static AdapterStart Read(FrozenModel model, string folder, bool anyBase) => AdapterStart.Of(model, model.LoadAdapter(folder, anyBase));

    /// <summary><c>base</c> or the adapter folder.</summary>
    public string Name { get; }

    /// <summary>The log-probability of every completion token of some rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="batchSize">Rows computed at once.</param>
    /// <param name="say">Is told where the numbers came from.</param>
    /// <param name="working">Is told how many are computed.</param>
    /// <param name="cancellation">Stops the computation.</param>
    public IReadOnlyList<float[]> LogProbabilitiesOf(IReadOnlyList<TrainingExample> rows, int batchSize, Action<string>? say, Action<WorkProgress>? working, CancellationToken cancellation)
    {
        ReferenceCache cache = new(_modelHash, _hash, rows);
        if (cache.Read() is { } kept)
        {
            say?.Invoke($"reference: {Name}; the log-probabilities of {rows.Count} answers come from {cache.Path}");
            return kept;
        }
        say?.Invoke($"reference: {Name}; computing the log-probabilities of {rows.Count} answers once");
        _engine ??= _model.OpenForEvaluation(_adapter);
        WorkCounter counter = new("answers measured", rows.Count, working);
        IReadOnlyList<float[]> computed = SequenceLogProbabilities.OfTokens(_engine, rows, _adapter.Parameters, batchSize, measured: counter.Made, cancellationToken: cancellation);
        cache.Write(computed);
        return computed;
    }

    public void Dispose() => _engine?.Dispose();
}
