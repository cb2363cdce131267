using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>What one API request is to generate.</summary>
/// <param name="Model">What it runs on; disposed at the end.</param>
/// <param name="Requests">One for each answer, in the order of their indices.</param>
/// <param name="PromptTokens">Tokens of all prompts, each counted once.</param>
/// <param name="Format">How the answers look.</param>
/// <param name="Stream">Whether they are sent as they grow.</param>
/// <param name="IncludeUsage">Whether a stream ends with the usage.</param>
/// <param name="FormParam">The parameter to name where the form of the answer is refused.</param>
internal sealed record GenerationPlan(ModelLease Model, IReadOnlyList<GenerationRequest> Requests, int PromptTokens, AnswerFormat Format, bool Stream, bool IncludeUsage, string FormParam);

/// <summary>Runs a request from its plan to its last byte, within the limits of time and place.</summary>
internal sealed partial class GenerationRunner(ServerParts parts, ServingOptions options, ILogger<GenerationRunner> logger)
{
    /// <summary>Answers a request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="plan">Reads the request's body.</param>
    /// <param name="promptParam">What the API calls the prompt.</param>
    internal async Task RunAsync(HttpContext context, Func<CancellationToken, Task<GenerationPlan>> plan, string promptParam)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(options.RequestTimeout);
        GenerationPlan? planned = null;
        try
        {
            planned = await plan(deadline.Token);
            using ModelLease model = planned.Model;
            RequireShortEnough(planned.Requests, promptParam);
            await MeasuredAsync(context, planned, promptParam, deadline.Token);
        }
        catch (Exception e) when (Told(e, context, planned, promptParam) is { } told && told != e)
        {
            throw told;
        }
    }

    private void RequireShortEnough(IReadOnlyList<GenerationRequest> requests, string promptParam)
    {
        int longest = requests.Max(request => request.PromptIds.Count);
        if (longest > options.MaxPromptTokens)
        {
            throw ApiException.Invalid($"The prompt has {longest} tokens; this server allows {options.MaxPromptTokens}.", promptParam, "context_length_exceeded");
        }
    }

    private async Task MeasuredAsync(HttpContext context, GenerationPlan plan, string promptParam, CancellationToken cancellation)
    {
        using ServerTelemetry.RequestMeasure measure = parts.Telemetry.Begin(promptParam == "messages" ? "chat" : "text_completion", plan.Model);
        try
        {
            using IDisposable turn = await parts.Admission.EnterAsync(context.Response, cancellation);
            await (plan.Stream ? StreamAsync(context, plan, measure, cancellation) : WholeAsync(context, plan, measure, cancellation));
            LogAnswered(logger, plan.Model.Name, plan.PromptTokens, measure.Produced, measure.Elapsed.TotalMilliseconds);
        }
        catch (Exception e)
        {
            measure.Fail(Told(e, context, plan, promptParam) ?? e);
            throw;
        }
        finally
        {
            measure.Finish(plan.PromptTokens);
        }
    }

    /// <summary>What the client is told; null where it has gone, or where the failure is the server's own.</summary>
    private ApiException? Told(Exception e, HttpContext context, GenerationPlan? plan, string promptParam) => e switch
    {
        ApiException told => told,
        OperationCanceledException when !context.RequestAborted.IsCancellationRequested => TimedOut(),
        PromptTooLongException => ApiException.Invalid(e.Message, promptParam, "context_length_exceeded"),
        GuidanceRefusedException => ApiException.Invalid(e.Message, plan?.FormParam ?? "response_format", "invalid_form"),
        _ => null,
    };

    private async Task WholeAsync(HttpContext context, GenerationPlan plan, ServerTelemetry.RequestMeasure measure, CancellationToken cancellation)
    {
        AnswerText[] answers = await Task.WhenAll(plan.Requests.Select(request => AnswerAsync(request, measure, cancellation)));
        await plan.Format.WriteAsync(context, answers, new Usage(plan.PromptTokens, measure.Produced));
    }

    private async Task<AnswerText> AnswerAsync(GenerationRequest request, ServerTelemetry.RequestMeasure measure, CancellationToken cancellation)
    {
        AnswerText answer = new();
        await foreach (GeneratedToken token in parts.Engine.GenerateAsync(request, cancellation))
        {
            measure.Token();
            answer.Add(token);
        }
        return answer;
    }

    private async Task StreamAsync(HttpContext context, GenerationPlan plan, ServerTelemetry.RequestMeasure measure, CancellationToken cancellation)
    {
        using EventStream events = new(context.Response);
        try
        {
            await StreamChoicesAsync(events, plan, measure, cancellation);
            if (plan.IncludeUsage)
            {
                await events.WriteAsync(plan.Format.UsageOnly(new Usage(plan.PromptTokens, measure.Produced)), cancellation);
            }
            await events.EndAsync(cancellation);
        }
        catch (Exception e) when (context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            // The status is sent already; the error becomes the stream's last event, and no [DONE] follows.
            if (e is not OperationCanceledException)
            {
                ErrorHandling.LogFailure(logger, e);
            }
            ApiException? timedOut = e is OperationCanceledException ? TimedOut() : null;
            measure.Fail(timedOut ?? e);
            await events.WriteAsync(ErrorHandling.ToJson(timedOut ?? ErrorHandling.Unexpected()), context.RequestAborted);
        }
    }

    /// <summary>The answers grow together, rows of one batch, and so do their streams; where one fails, all end.</summary>
    private async Task StreamChoicesAsync(EventStream events, GenerationPlan plan, ServerTelemetry.RequestMeasure measure, CancellationToken cancellation)
    {
        using CancellationTokenSource failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAll(plan.Requests.Select(async (request, choice) =>
        {
            try
            {
                await StreamChoiceAsync(events, request, plan.Format.Stream(choice), measure, failed.Token);
            }
            catch
            {
                await failed.CancelAsync();
                throw;
            }
        }));
    }

    private async Task StreamChoiceAsync(EventStream events, GenerationRequest request, AnswerEvents answer, ServerTelemetry.RequestMeasure measure, CancellationToken cancellation)
    {
        bool opened = false;
        FinishReason finish = FinishReason.Length;
        await foreach (GeneratedToken token in parts.Engine.GenerateAsync(request, cancellation))
        {
            // The head waits for the first token, so that a request that fails at once still gets its status code.
            measure.Token();
            if (!opened && answer.Opening is { } opening)
            {
                await events.WriteAsync(opening, cancellation);
            }
            opened = true;
            finish = token.Finish;
            if ((token.Text.Length > 0 || token.Logprobs is not null) && answer.Piece(token) is { } piece)
            {
                await events.WriteAsync(piece, cancellation);
            }
        }
        foreach (string closing in answer.Closing(finish))
        {
            await events.WriteAsync(closing, cancellation);
        }
    }

    private ApiException TimedOut() => new(StatusCodes.Status408RequestTimeout,
        $"The request took longer than {options.RequestTimeout.TotalSeconds:0.###} s, this server's limit. Ask for fewer tokens.", code: "timeout");

    [LoggerMessage(Level = LogLevel.Information, Message = "Answered as {Model}: {PromptTokens} prompt tokens, {CompletionTokens} new tokens, {Milliseconds:0} ms")]
    private static partial void LogAnswered(ILogger logger, string model, int promptTokens, int completionTokens, double milliseconds);
}
