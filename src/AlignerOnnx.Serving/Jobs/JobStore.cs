using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace AlignerOnnx.Serving;

/// <summary>Fine-tuning jobs and their events in the database.</summary>
internal sealed class JobStore(StateDatabase database, TimeProvider time)
{
    private const string Columns =
        """
        SELECT id, status, model, method, hyperparameters, suffix, seed, training_file, validation_file, adapter, metadata, created, finished,
               result, result_file, trained_tokens, final_step, final_loss, validation_loss, error_code, error_message, process, process_started, may_replace_any FROM jobs
        """;

    /// <summary>All jobs, the newest first.</summary>
    internal IReadOnlyList<Job> All => database.Query($"{Columns} ORDER BY number DESC", ToJob);

    internal Job Require(string id) => database.Query($"{Columns} WHERE id = $id", ToJob, ("$id", id)).SingleOrDefault()
        ?? throw new ApiException(StatusCodes.Status404NotFound, $"There is no fine-tuning job '{id}'.", "fine_tuning_job_id", "job_not_found");

    /// <summary>The job to run next: one that was running when the server ended, else the oldest that waits.</summary>
    internal Job? Next() => database.Query($"{Columns} WHERE status IN ('running', 'queued') ORDER BY status = 'queued', number LIMIT 1", ToJob).SingleOrDefault();

    internal Job Add(Job job) => database.InTransaction(() =>
    {
        database.Execute(
            """
            INSERT INTO jobs (id, status, model, method, hyperparameters, suffix, seed, training_file, validation_file, adapter, may_replace_any, metadata, created)
            VALUES ($id, $status, $model, $method, $hyper, $suffix, $seed, $training, $validation, $adapter, $any, $metadata, $created)
            """,
            ("$id", job.Id), ("$status", job.Status), ("$model", job.Model), ("$method", job.Method),
            ("$hyper", JsonSerializer.Serialize(job.Hyperparameters, ApiJson.Default.JobHyperparameters)), ("$suffix", job.Suffix), ("$seed", job.Seed),
            ("$training", job.TrainingFile), ("$validation", job.ValidationFile), ("$adapter", job.Adapter), ("$any", job.MayReplaceAny ? 1 : 0),
            ("$metadata", job.Metadata is null ? null : JsonSerializer.Serialize(job.Metadata, ApiJson.Default.DictionaryStringString)), ("$created", Now()));
        AddEvent(job.Id, "info", "message", "Created fine-tuning job");
        return Require(job.Id);
    });

    /// <summary>Moves a job from one status to another, if it still has the first.</summary>
    /// <returns>Whether it had.</returns>
    internal bool Move(string id, string from, string to, string message) => database.InTransaction(() =>
    {
        bool moved = database.Execute("UPDATE jobs SET status = $to, finished = $finished WHERE id = $id AND status = $from",
            ("$id", id), ("$from", from), ("$to", to), ("$finished", JobStatus.IsFinal(to) ? Now() : null)) == 1;
        if (moved)
        {
            AddEvent(id, "info", "message", message);
        }
        return moved;
    });

    internal void SetProcess(string id, (int Number, long Started)? process) =>
        database.Execute("UPDATE jobs SET process = $number, process_started = $started WHERE id = $id", ("$id", id), ("$number", process?.Number), ("$started", process?.Started));

    internal void Succeed(string id, string result, string resultFile, JobReport report) => database.InTransaction(() =>
    {
        database.Execute(
            """
            UPDATE jobs SET status = 'succeeded', finished = $now, result = $result, result_file = $file, trained_tokens = $tokens, final_step = $step,
                            final_loss = $loss, validation_loss = $validation, process = NULL WHERE id = $id
            """,
            ("$id", id), ("$now", Now()), ("$result", result), ("$file", resultFile), ("$tokens", report.TrainedTokens), ("$step", report.Steps), ("$loss", report.FinalLoss), ("$validation", report.EvalLoss));
        if (report.EarlyStop is { } stop)
        {
            AddEvent(id, "warn", "message", $"Training stopped early {stop}");
        }
        AddEvent(id, "info", "message", $"The job has completed; its model is {result}");
    });

    internal void Fail(string id, string code, string message) => database.InTransaction(() =>
    {
        database.Execute("UPDATE jobs SET status = 'failed', finished = $now, error_code = $code, error_message = $message, process = NULL WHERE id = $id",
            ("$id", id), ("$now", Now()), ("$code", code), ("$message", message));
        AddEvent(id, "error", "message", message);
    });

    internal void AddEvent(string job, string level, string type, string message, string? data = null) => database.Execute(
        "INSERT INTO job_events (job, level, type, message, data, created) VALUES ($job, $level, $type, $message, $data, $created)",
        ("$job", job), ("$level", level), ("$type", type), ("$message", message), ("$data", data), ("$created", Now()));

    internal void AddEvents(string job, IEnumerable<(string Message, string Data)> metrics) => database.InTransaction(() =>
    {
        foreach ((string message, string data) in metrics)
        {
            AddEvent(job, "info", "metrics", message, data);
        }
    });

    /// <summary>The events of a job, the newest first.</summary>
    internal IReadOnlyList<JobEvent> Events(string job) => database.Query(
        "SELECT number, level, type, message, data, created FROM job_events WHERE job = $job ORDER BY number DESC",
        row => new JobEvent(row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.Text(4) is { } data ? JsonDocument.Parse(data).RootElement.Clone() : null, At(row.GetInt64(5))),
        ("$job", job));

    /// <summary>The losses of a step, as far as they were recorded.</summary>
    internal JobCheckpointMetrics MetricsOf(string job, int step) => database.Query(
        "SELECT json_extract(data, '$.train_loss'), json_extract(data, '$.valid_loss') FROM job_events WHERE job = $job AND type = 'metrics' AND json_extract(data, '$.step') = $step",
        row => new JobCheckpointMetrics(step, row.IsDBNull(0) ? null : row.GetDouble(0), row.IsDBNull(1) ? null : row.GetDouble(1)),
        ("$job", job), ("$step", step)).FirstOrDefault() ?? new JobCheckpointMetrics(step, null, null);

    private long Now() => time.GetUtcNow().ToUnixTimeSeconds();

    private static DateTimeOffset At(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);

    private static Job ToJob(SqliteDataReader row) => new()
    {
        Id = row.GetString(0),
        Status = row.GetString(1),
        Model = row.GetString(2),
        Method = row.GetString(3),
        Hyperparameters = JsonSerializer.Deserialize(row.GetString(4), ApiJson.Default.JobHyperparameters)!,
        Suffix = row.Text(5),
        Seed = row.GetInt32(6),
        TrainingFile = row.GetString(7),
        ValidationFile = row.Text(8),
        Adapter = row.GetString(9),
        Metadata = row.Text(10) is { } metadata ? JsonSerializer.Deserialize(metadata, ApiJson.Default.DictionaryStringString) : null,
        Created = At(row.GetInt64(11)),
        Finished = row.Whole(12) is long finished ? At(finished) : null,
        Result = row.Text(13),
        ResultFile = row.Text(14),
        TrainedTokens = row.Whole(15),
        FinalStep = (int?)row.Whole(16),
        FinalLoss = row.IsDBNull(17) ? null : row.GetDouble(17),
        ValidationLoss = row.IsDBNull(18) ? null : row.GetDouble(18),
        Error = row.Text(19) is { } code ? (code, row.Text(20) ?? "") : null,
        Process = row.Whole(21) is long process ? ((int)process, row.Whole(22) ?? 0) : null,
        MayReplaceAny = row.GetInt32(23) == 1,
    };
}

/// <summary>What a training process reported at its end.</summary>
/// <param name="Steps">The steps made.</param>
/// <param name="FinalLoss">The loss of the last one.</param>
/// <param name="EvalLoss">The loss of the validation file; null without one.</param>
/// <param name="TrainedTokens">Tokens of the training file.</param>
/// <param name="EarlyStop">When and why it stopped before the last step that was asked for; null where it did not.</param>
internal sealed record JobReport(int Steps, double FinalLoss, double? EvalLoss, long TrainedTokens, string? EarlyStop);
