using System.Globalization;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The states of a job's training that can be called before it ends: once a minute, and where it is paused, the newest one becomes an adapter; a few are kept.</summary>
internal sealed class JobCheckpoints(ServerParts parts, Job job, JobFolder folder, string baseName)
{
    private const int Kept = 3;
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private long _taken = TimeProvider.System.GetTimestamp();

    /// <summary>The checkpoints of a job that are there, the newest first.</summary>
    internal static IReadOnlyList<(AdapterVersion Version, int Step)> Of(AdapterRegistry adapters, Job job) =>
    [
        .. adapters.All.Where(adapter => adapter.Name.StartsWith(Prefix(job), StringComparison.Ordinal) && adapter.CurrentVersion.Origin == JobPublishing.OriginOf(job))
            .Select(adapter => (adapter.CurrentVersion, int.Parse(adapter.Name.AsSpan(Prefix(job).Length), NumberStyles.None, CultureInfo.InvariantCulture)))
            .OrderByDescending(checkpoint => checkpoint.Item2),
    ];

    /// <summary>Publishes the newest state, if one was not published for a while.</summary>
    /// <exception cref="RefusedException">It cannot be read or used.</exception>
    /// <exception cref="IOException">It cannot be read or kept.</exception>
    internal void TakeWhereDue()
    {
        if (TimeProvider.System.GetElapsedTime(_taken) >= Interval)
        {
            Take();
        }
    }

    /// <summary>Publishes the newest state.</summary>
    /// <inheritdoc cref="TakeWhereDue"/>
    internal void Take()
    {
        _taken = TimeProvider.System.GetTimestamp();
        if (!File.Exists(folder.Checkpoint))
        {
            return;
        }
        TrainingState state = CheckpointFile.Read(folder.Checkpoint).State;
        if (state.Step > 0 && Of(parts.Adapters, job).All(checkpoint => checkpoint.Step != state.Step))
        {
            Publish(state);
        }
        foreach ((AdapterVersion old, _) in Of(parts.Adapters, job).Skip(Kept))
        {
            parts.Adapters.Delete(old.Name);
        }
    }

    private void Publish(TrainingState state)
    {
        string staging = parts.State.NewStagingFolder();
        try
        {
            string package = Path.Combine(staging, "adapter");
            AdapterPackage.Save(AdapterOf(state), package);
            JobPublishing.Publish(parts, job, string.Create(CultureInfo.InvariantCulture, $"{Prefix(job)}{state.Step}"), package);
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    private Adapter AdapterOf(TrainingState state)
    {
        AdapterShape shape = state.Parameters.Shape;
        bool concat = shape.GateValues == 0;
        TrainingRecord record = new() { Recipe = $"checkpoint of {job.Id}", Steps = state.Step, Seed = (ulong)job.Seed, FinalLoss = state.Losses[^1] };
        int layers = parts.Adapters.Folding.Sites.Count;
        AdapterConfig config = Adapter.Describe(parts.Adapters.Folding.Sites, baseName, concat ? 0 : layers - shape.AdaptedLayers, shape.TokenCount, record);
        return new Adapter(config with { Attention = concat ? AdapterConfig.ConcatAttention : AdapterConfig.GatedAttention }, state.Parameters.Tokens, state.Parameters.Gates);
    }

    private static string Prefix(Job job) => $"{job.Adapter}:ckpt-step-";
}
