using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>One run with its folder: takes up a checkpoint, trains, writes checkpoints, and leaves one behind where training was stopped.</summary>
internal sealed class FineTuningRun : IDisposable
{
    private readonly FineTuningRequest _request;
    private readonly RunFolder _folder;
    private readonly Lazy<RunIdentity> _identity;
    private int _rowsOfStep;

    public FineTuningRun(FineTuningRequest request, Func<RunIdentity> identity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(request.CheckpointInterval, 1);
        _request = request;
        _identity = new Lazy<RunIdentity>(identity);
        _folder = RunFolder.Open(RunFolder.Of(request.Output));
    }

    public string Folder => _folder.Path;

    /// <summary>The optimizer's memory of what a new run starts from; null (the default) starts from none.</summary>
    public AdamWState? Optimizer { get; init; }

    public RunRecords Records => RunRecords.In(_folder);

    /// <summary>Why a picture of the run is missing; null where none is.</summary>
    public string? DrawingProblem { get; private set; }

    /// <summary>How old the process was when the first step started.</summary>
    public double FirstStepSeconds { get; private set; }

    /// <summary>Trains to the end.</summary>
    /// <exception cref="TrainingStoppedException">Cancelled; a checkpoint was written.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient is not finite; a checkpoint of the last good step was written.</exception>
    public TrainingResult Train(IGradientEngine engine, ITrainingObjective objective, AdapterParameters start, IEvaluation? evaluation, Action<TrainingProgress>? progress, CancellationToken cancellation)
    {
        TrainingState state = StartFrom(start);
        _rowsOfStep = objective.PlacesOf(0).Count;
        AdapterTrainer trainer = new(engine, _request.Options);
        MetricsFile metrics = MetricsFile.Open(Records.Metrics, after: state.Step);
        FirstStepSeconds = ProcessAge.ReadSeconds();
        try
        {
            TrainingResult result = trainer.Train(objective, state, evaluation, new Watcher(this, metrics, progress), cancellation);
            if (result.Cancelled)
            {
                Save(result.State);
                throw new TrainingStoppedException(result.State.Step, Folder, cancellation);
            }
            return result;
        }
        catch (TrainingDivergedException diverged)
        {
            Save(diverged.State);
            throw;
        }
        finally
        {
            metrics.Dispose();
            DrawingProblem = Records.Draw($"{Path.GetFileName(Path.TrimEndingDirectorySeparator(_request.Output))}: loss");
        }
    }

    /// <summary>The adapter is saved: nothing is left to continue.</summary>
    public void Complete() => _folder.RemoveCheckpoints();

    public void Dispose() => _folder.Dispose();

    private TrainingState StartFrom(AdapterParameters start)
    {
        Checkpoint? checkpoint = _folder.ReadCheckpoint();
        if (checkpoint is null)
        {
            return TrainingState.Start(start) with { Optimizer = Optimizer };
        }
        if (!_request.Resume)
        {
            throw new CheckpointRefusedException("an unfinished run stands where this one would", Folder, $"a checkpoint after step {checkpoint.State.Step}", "no checkpoint", "say --resume to continue it, or remove that folder to start anew");
        }
        _identity.Value.RequireSame(checkpoint.Identity, _folder.CheckpointPath);
        return checkpoint.State;
    }

    private void Save(TrainingState state) =>
        _folder.WriteCheckpoint(new Checkpoint(_identity.Value, state, _request.Options.Seed, (long)state.Step * _rowsOfStep));

    private sealed class Watcher(FineTuningRun run, MetricsFile metrics, Action<TrainingProgress>? progress) : ITrainingWatcher
    {
        public void Stepped(TrainingProgress made, Func<TrainingState> state)
        {
            if (made.Step % run._request.CheckpointInterval == 0)
            {
                run.Save(state());
            }
            metrics.Append(MetricsRow.Of(made, TimeProvider.System.GetUtcNow()));
            progress?.Invoke(made);
        }
    }
}
