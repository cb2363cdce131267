using System.Text.Json;

namespace AlignerOnnx.Serving;

/// <summary>Runs fine-tuning jobs one after the other, each in a process of its own, and publishes their results. A job that a stopped server was running goes on in the next.</summary>
internal sealed partial class JobRunner(ServerParts parts, ServingOptions options, ILogger<JobRunner> logger) : ServerLoop
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly string[] ErrorParts = ["what", "found", "expected", "remedy"];

    private readonly SemaphoreSlim _wake = new(0);
    private readonly Lock _gate = new();
    private (string Job, CancellationTokenSource Interrupt)? _current;

    /// <summary>Tells that a job may be there to run.</summary>
    internal void Wake() => _wake.Release();

    /// <summary>Stops the process of a job that is no longer to run.</summary>
    internal void Interrupt(string job)
    {
        lock (_gate)
        {
            if (_current is { } running && running.Job == job)
            {
                running.Interrupt.Cancel();
                return;
            }
        }
        RemoveFolderOfEnded(job);
    }

    public override void Dispose()
    {
        base.Dispose();
        _wake.Dispose();
    }

    protected override async Task RunAsync(CancellationToken stoppingToken)
    {
        while (options.TrainingProgram is not null && !stoppingToken.IsCancellationRequested)
        {
            if (parts.Jobs.Next() is { } job)
            {
                await RunSafelyAsync(job, stoppingToken);
            }
            else
            {
                await _wake.WaitAsync(stoppingToken);
            }
        }
    }

    private async Task RunSafelyAsync(Job job, CancellationToken stopping)
    {
        using CancellationTokenSource interrupt = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        lock (_gate)
        {
            _current = (job.Id, interrupt);
        }
        try
        {
            await RunAsync(job, interrupt.Token, stopping);
        }
#pragma warning disable CA1031 // One job's failure, of whatever kind, must not end the others.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogFailed(logger, e, job.Id);
            parts.Jobs.Fail(job.Id, e is Graph.RefusedException ? "data_refused" : (e as ApiException)?.Code ?? "internal_error", e.Message);
        }
        finally
        {
            lock (_gate)
            {
                _current = null;
            }
        }
        RemoveFolderOfEnded(job.Id);
    }

    private void RemoveFolderOfEnded(string job)
    {
        try
        {
            if (JobStatus.IsFinal(parts.Jobs.Require(job).Status))
            {
                Folder(job).Remove();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(logger, e, job);
        }
    }

    private async Task RunAsync(Job job, CancellationToken interrupt, CancellationToken stopping)
    {
        if (job.Process is { } leftover)
        {
            TrainingProcess.EndLeftover(leftover);
        }
        if (job.Status == JobStatus.Queued && !parts.Jobs.Move(job.Id, JobStatus.Queued, JobStatus.Running, "Training has started"))
        {
            return;
        }
        JobFolder folder = Folder(job.Id);
        JobMetrics metrics = new(parts.Jobs, job.Id, folder.Metrics);
        JobCheckpoints checkpoints = new(parts, job, folder, options.BaseName);
        (int exitCode, string output, string errors) = Directory.Exists(folder.Output)
            ? (0, "", "")
            : await TrainAsync(job, folder, metrics, checkpoints, interrupt);
        metrics.Record();
        if (parts.Jobs.Require(job.Id).Status == JobStatus.Paused)
        {
            Keep(job, checkpoints.Take);
        }
        if (stopping.IsCancellationRequested || parts.Jobs.Require(job.Id).Status != JobStatus.Running)
        {
            return;
        }
        if (exitCode != 0)
        {
            parts.Jobs.Fail(job.Id, exitCode == 4 ? "data_refused" : "training_failed", Reason(output, errors, exitCode));
            return;
        }
        Publish(job, folder, output);
    }

    private async Task<(int ExitCode, string Output, string Errors)> TrainAsync(Job job, JobFolder folder, JobMetrics metrics, JobCheckpoints checkpoints, CancellationToken interrupt)
    {
        folder.Make();
        IReadOnlyList<string> arguments = JobCommandLine.Of(job, options.ModelFolder, folder, Provide(job.TrainingFile, folder, "training")!, Provide(job.ValidationFile, folder, "validation"), ProvideStart(job, folder));
        using TrainingProcess process = TrainingProcess.Start(options.TrainingProgram!, arguments, metrics.TakeLine);
        parts.Jobs.SetProcess(job.Id, process.Identity);
        try
        {
            using PeriodicTimer timer = new(TimeSpan.FromSeconds(1));
            Task<int> end = process.WaitAsync(interrupt);
            while (await Task.WhenAny(end, timer.WaitForNextTickAsync(CancellationToken.None).AsTask()) != end)
            {
                metrics.Record();
                Keep(job, checkpoints.TakeWhereDue);
            }
            return (await end, process.Output, process.Errors);
        }
        catch (OperationCanceledException)
        {
            return (await StopAsync(process), process.Output, process.Errors);
        }
        finally
        {
            parts.Jobs.SetProcess(job.Id, null);
        }
    }

    /// <summary>A checkpoint that cannot be kept is no reason to end the training.</summary>
    private void Keep(Job job, Action take)
    {
        try
        {
            take();
        }
        catch (Exception e) when (e is Graph.RefusedException or IOException or ApiException)
        {
            LogNotKept(logger, e, job.Id);
        }
    }

    private static async Task<int> StopAsync(TrainingProcess process)
    {
        process.AskToStop();
        using CancellationTokenSource patience = new(Patience);
        try
        {
            return await process.WaitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            return await process.WaitAsync(CancellationToken.None);
        }
    }

    private void Publish(Job job, JobFolder folder, string output)
    {
        string staging = parts.State.NewStagingFolder();
        try
        {
            AdapterIntake.CopyTo(folder.Output, staging);
            JobReport report = ReadReport(output, folder.Output);
            AdapterVersion version = JobPublishing.Publish(parts, job, job.Adapter, staging);
            string table = Path.Combine(staging, "metrics.csv");
            File.WriteAllText(table, JobMetrics.Table(parts.Jobs, job.Id));
            StoredFile result = parts.Files.Add(table, $"{job.Id}-metrics.csv", "fine-tune-results");
            parts.Jobs.Succeed(job.Id, version.Id, result.Id, report);
            LogPublished(logger, job.Id, version.Id);
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>The tool's report; of a run that ended while no server listened, what the adapter itself says.</summary>
    private static JobReport ReadReport(string output, string adapter)
    {
        if (output.Length == 0)
        {
            Adapters.TrainingRecord record = Adapters.AdapterPackage.Load(adapter).Config.Training ?? new();
            return new JobReport(record.Steps, record.FinalLoss ?? 0, record.EvalLoss, 0, null);
        }
        JsonElement report = JsonDocument.Parse(output).RootElement;
        double? evaluated = report.TryGetProperty("eval_loss", out JsonElement loss) && loss.ValueKind == JsonValueKind.Number ? loss.GetDouble() : null;
        string? stop = report.TryGetProperty("early_stop", out JsonElement early) && early.ValueKind == JsonValueKind.Object ? early.GetProperty("message").GetString() : null;
        return new JobReport(report.GetProperty("steps").GetInt32(), report.GetProperty("final_loss").GetDouble(), evaluated, report.GetProperty("data").GetProperty("tokens").GetInt64(), stop);
    }

    private static string Reason(string output, string errors, int exitCode)
    {
        try
        {
            JsonElement error = JsonDocument.Parse(output).RootElement.GetProperty("error");
            IEnumerable<string> words = ErrorParts
                .Where(name => error.TryGetProperty(name, out JsonElement word) && word.ValueKind == JsonValueKind.String)
                .Select(name => $"{(name == "what" ? "" : $"{name}: ")}{error.GetProperty(name).GetString()}");
            return string.Join("; ", words);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return $"The training ended with exit code {exitCode}. {errors}".Trim();
        }
    }

    /// <summary>A link or copy of a stored file with the name of its kind, which readers of data go by.</summary>
    private string? Provide(string? id, JobFolder folder, string name)
    {
        if (id is null)
        {
            return null;
        }
        StoredFile file = parts.Files.Require(id, "training_file");
        string path = folder.Data(name + Path.GetExtension(file.Name));
        File.Copy(parts.Files.PathOf(file), path, overwrite: true);
        return path;
    }

    private string? ProvideStart(Job job, JobFolder folder)
    {
        if (job.Model == options.BaseName)
        {
            return null;
        }
        if (!Directory.Exists(folder.From))
        {
            AdapterVersion start = parts.Adapters.Resolve(job.Model) ?? throw ApiException.NoSuchModel(job.Model);
            Adapters.AdapterPackage.Save(parts.Adapters.Folding.Package(start), folder.From);
        }
        return folder.From;
    }

    private JobFolder Folder(string job) => new(Path.Combine(parts.State.Folder("jobs"), job));

    [LoggerMessage(Level = LogLevel.Information, Message = "Job {Job} published {Version}")]
    private static partial void LogPublished(ILogger logger, string job, string version);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A checkpoint of job {Job} could not be kept")]
    private static partial void LogNotKept(ILogger logger, Exception exception, string job);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The folder of job {Job}, which has ended, could not be removed")]
    private static partial void LogNotRemoved(ILogger logger, Exception exception, string job);

    [LoggerMessage(Level = LogLevel.Error, Message = "Job {Job} failed")]
    private static partial void LogFailed(ILogger logger, Exception exception, string job);
}
