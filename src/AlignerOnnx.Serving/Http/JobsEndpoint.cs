using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace AlignerOnnx.Serving;

/// <summary>OpenAI's fine-tuning jobs: create, list, show, cancel, pause, resume, events, checkpoints.</summary>
internal sealed class JobsEndpoint(ServerParts parts, ServingOptions options, JobRunner runner)
{
    private readonly JobIntake _intake = new(parts, options);

    internal async Task Create(HttpContext context)
    {
        JobRequest body = await RequestReader.ReadAsync(context.Request, ApiJson.Default.JobRequest, context.RequestAborted);
        if (body.Integrations is { ValueKind: JsonValueKind.Array } integrations && integrations.GetArrayLength() > 0)
        {
            throw ApiException.Invalid("Integrations are not supported.", "integrations", "unsupported_parameter");
        }
        Job job = parts.Jobs.Add(_intake.Read(body, mayReplaceAny: context.Features.GetRequiredFeature<Caller>().Role == KeyRole.Admin));
        runner.Wake();
        await WriteAsync(context, job);
    }

    internal Task List(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        JobObject[] chosen = [.. JobFilter.Of(parts.Jobs.All, query).Select(JobObject.Of)];
        return Json.WriteAsync(context, Page.Of(chosen, job => job.Id, query, JobFilter.IsFilter), AnswerJson.Types.ListObjectJobObject);
    }

    internal Task Show(HttpContext context) => WriteAsync(context, Find(context));

    internal Task Cancel(HttpContext context) => Change(context, JobStatus.Cancelled, "The job was cancelled", JobStatus.Running, JobStatus.Queued, JobStatus.Paused);

    internal Task Pause(HttpContext context) => Change(context, JobStatus.Paused, "The job was paused", JobStatus.Running, JobStatus.Queued);

    internal Task Resume(HttpContext context) => Change(context, JobStatus.Queued, "The job was resumed", JobStatus.Paused);

    internal Task Events(HttpContext context) => Json.WriteAsync(context,
        Page.Of([.. parts.Jobs.Events(Find(context).Id).Select(JobEventObject.Of)], each => each.Id, context.Request.Query), AnswerJson.Types.ListObjectJobEventObject);

    /// <summary>The states of a job that can be called: its result, and before it the newest checkpoints.</summary>
    internal Task Checkpoints(HttpContext context)
    {
        Job job = Find(context);
        string id = $"ftckpt-{job.Id["ftjob-".Length..]}";
        IEnumerable<JobCheckpointObject> result = job.Result is null ? [] :
            [new(id, job.Finished!.Value.ToUnixTimeSeconds(), job.Result, job.FinalStep ?? 0, new JobCheckpointMetrics(job.FinalStep ?? 0, job.FinalLoss, job.ValidationLoss), job.Id)];
        IEnumerable<JobCheckpointObject> before = JobCheckpoints.Of(parts.Adapters, job).Select(checkpoint => new JobCheckpointObject(
            $"{id}-{checkpoint.Step}", checkpoint.Version.Created.ToUnixTimeSeconds(), checkpoint.Version.Name, checkpoint.Step, parts.Jobs.MetricsOf(job.Id, checkpoint.Step), job.Id));
        return Json.WriteAsync(context, Page.Of([.. result, .. before], each => each.Id, context.Request.Query), AnswerJson.Types.ListObjectJobCheckpointObject);
    }

    private Task Change(HttpContext context, string to, string message, params IReadOnlyList<string> from)
    {
        Job job = Find(context);
        if (!from.Any(status => parts.Jobs.Move(job.Id, status, to, message)))
        {
            throw ApiException.Invalid($"The job is {parts.Jobs.Require(job.Id).Status}; this needs one that is {string.Join(" or ", from)}.", "fine_tuning_job_id", "invalid_job_status");
        }
        if (to == JobStatus.Queued)
        {
            runner.Wake();
        }
        else
        {
            runner.Interrupt(job.Id);
        }
        return WriteAsync(context, parts.Jobs.Require(job.Id));
    }

    private Job Find(HttpContext context) => parts.Jobs.Require(Route.Text(context, "id"));

    private static Task WriteAsync(HttpContext context, Job job) => Json.WriteAsync(context, JobObject.Of(job), AnswerJson.Types.JobObject);
}
