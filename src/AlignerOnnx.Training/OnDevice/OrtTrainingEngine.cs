using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// Trains in a native ONNX Runtime built with training: loss, gradients, accumulation, clipping, learning rate and AdamW are computed there, by the artifacts that devices
/// get. The trainer drives it like any engine; it sees gradients, but only to measure them.
/// </summary>
public sealed class OrtTrainingEngine : IOptimizingEngine
{
    private readonly OrtTrainingProcess _process;
    private readonly OnnxModel _model;
    private ArtifactOptions _options;
    private readonly LearningRateSchedule _schedule;
    private ArtifactSet? _artifacts;
    private AdapterShape? _shape;
    private float[]? _current;
    private bool _reset;

    /// <summary>Makes an engine.</summary>
    /// <param name="process">The process with the library; the caller disposes it, after the engine.</param>
    /// <param name="model">The base model.</param>
    /// <param name="options">What to train; the start values are those of the first call.</param>
    public OrtTrainingEngine(OrtTrainingProcess process, OnnxModel model, ArtifactOptions options)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        _process = process;
        _model = model;
        _options = options;
        _schedule = options.EffectiveSchedule;
    }

    /// <summary>Threads of one operator, 0 or more; 0 (the default) lets the runtime take one for each core.</summary>
    public int Threads { get; init; }

    /// <inheritdoc/>
    public long PeakMemoryBytes => _process.ReadPeakMemory();

    /// <inheritdoc/>
    public IAdapterOptimizer StartOptimizer(TrainingState start)
    {
        ArgumentNullException.ThrowIfNull(start);
        // The rates stand in the optimizer's graph by its own count of steps.
        _artifacts = null;
        _options = _options with { StepsBefore = (start.Optimizer?.StepCount ?? 0) - start.Step };
        Open(new OrtCheckpoint(start.Parameters, start.Optimizer));
        return new Optimizer(this, start.Step);
    }

    /// <inheritdoc/>
    public GradientResult ComputeGradients(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Load(parameters, cancellationToken);
        float[][] made = _process.TrainStep([.. TensorData.Of(batch), .. TensorData.OfPairs(batch)], _reset);
        _reset = false;
        Dictionary<string, float[]> outputs = _options.TrainingOutputs.Zip(made).ToDictionary(pair => pair.First, pair => pair.Second);
        return new GradientResult(
            outputs[GradientGraphNames.Loss][0], outputs[GradientGraphNames.TokensGradient], outputs.GetValueOrDefault(GradientGraphNames.GatesGradient, []), outputs[GradientGraphNames.TargetLogProbabilities])
        {
            Rewards = outputs.GetValueOrDefault(GradientGraphNames.Rewards),
        };
    }

    /// <inheritdoc/>
    public float[] ComputeLogProbabilities(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Load(parameters, cancellationToken);
        return _process.EvalStep(TensorData.Of(batch))[1];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Load(AdapterParameters parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        cancellationToken.ThrowIfCancellationRequested();
        if (_current is null)
        {
            Open(new OrtCheckpoint(parameters));
            return;
        }
        float[] all = [.. parameters.Tokens, .. parameters.Gates];
        if (!all.AsSpan().SequenceEqual(_current))
        {
            _process.WriteParameters(all);
            _current = all;
        }
    }

    private void Open(OrtCheckpoint start)
    {
        // The graphs do not depend on the values; only the checkpoint is another.
        _artifacts = _artifacts is null
            ? TrainingArtifacts.Make(_model, _options with { Start = start })
            : _artifacts with { Checkpoint = OrtCheckpointFile.ToBytes(start) };
        _shape = start.Parameters.Shape;
        _current = _process.Open(_artifacts, Threads);
    }

    private sealed class Optimizer(OrtTrainingEngine engine, int step) : IAdapterOptimizer
    {
        private int _step = step;

        public void Begin() => engine._reset = true;

        public void Step(AdapterParameters parameters, double learningRate, GradientSum gradient)
        {
            // The rates are a table in the optimizer's graph.
            if (engine._schedule.At(_step) != learningRate)
            {
                throw new InvalidOperationException($"The artifacts have the learning rate {engine._schedule.At(_step)} at step {_step + 1}, the trainer {learningRate}.");
            }
            float[] moved = engine._process.OptimizerStep();
            moved.AsSpan(0, parameters.Tokens.Length).CopyTo(parameters.Tokens);
            moved.AsSpan(parameters.Tokens.Length).CopyTo(parameters.Gates);
            engine._current = moved;
            _step++;
        }

        public AdamWState Snapshot()
        {
            string folder = Directory.CreateTempSubdirectory("aligner-").FullName;
            try
            {
                string file = Path.Combine(folder, ArtifactNames.Checkpoint);
                engine._process.SaveCheckpoint(file);
                AdapterShape shape = engine._shape!;
                return OrtCheckpointFile.Read(file).Optimizer ?? new AdamWState(0, [new double[shape.TokenValues], new double[shape.GateValues]], [new double[shape.TokenValues], new double[shape.GateValues]]);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }
}
