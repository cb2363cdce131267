using System.Text;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Answers POST /v1/chat/completions.</summary>
internal sealed partial class ChatEndpoint(ServerParts parts, ServingOptions options, ILogger<ChatEndpoint> logger)
{
    private readonly RequestTranslator _translator = new(parts.Chat, options.MaxTokens);

    internal async Task Handle(HttpContext context)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(options.RequestTimeout);
        try
        {
            await AnswerAsync(context, deadline.Token);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw TimedOut();
        }
        catch (PromptTooLongException e)
        {
            throw ApiException.Invalid(e.Message, "messages", "context_length_exceeded");
        }
    }

    private async Task AnswerAsync(HttpContext context, CancellationToken cancellation)
    {
        ChatCompletionRequest body = await RequestReader.ReadAsync(context.Request, ApiJson.Default.ChatCompletionRequest, cancellation);
        string name = body.Model ?? throw ApiException.Invalid("model is missing.", "model");
        using ModelLease model = parts.Models.Acquire(name);
        GenerationRequest request = _translator.Translate(body, model);
        using IDisposable turn = await parts.Admission.EnterAsync(context.Response, cancellation);
        Answer answer = new(model, request.PromptIds.Count);
        long started = TimeProvider.System.GetTimestamp();
        if (body.Stream is true)
        {
            await StreamAsync(context, request, answer, body.StreamOptions?.IncludeUsage is true, cancellation);
        }
        else
        {
            await WholeAsync(context, request, answer, cancellation);
        }
        LogAnswered(logger, model.Name, answer.PromptTokens, answer.Produced, TimeProvider.System.GetElapsedTime(started).TotalMilliseconds);
    }

    private async Task WholeAsync(HttpContext context, GenerationRequest request, Answer answer, CancellationToken cancellation)
    {
        StringBuilder text = new();
        await foreach (GeneratedToken token in parts.Engine.GenerateAsync(request, cancellation))
        {
            answer.Count(token);
            text.Append(token.Text);
        }
        await context.Response.WriteAsJsonAsync(answer.Whole(text.ToString()), ApiJson.Default.ChatCompletion, cancellationToken: cancellation);
    }

    private async Task StreamAsync(HttpContext context, GenerationRequest request, Answer answer, bool includeUsage, CancellationToken cancellation)
    {
        EventStream events = new(context.Response);
        try
        {
            await foreach (GeneratedToken token in parts.Engine.GenerateAsync(request, cancellation))
            {
                // The head waits for the first token, so that a request that fails at once still gets its status code.
                if (answer.Produced == 0)
                {
                    await events.WriteAsync(answer.Opening(), cancellation);
                }
                answer.Count(token);
                if (token.Text.Length > 0)
                {
                    await events.WriteAsync(answer.Piece(token.Text), cancellation);
                }
            }
            await events.WriteAsync(answer.Closing(), cancellation);
            if (includeUsage)
            {
                await events.WriteAsync(answer.UsageOnly(), cancellation);
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
            await events.WriteErrorAsync(e is OperationCanceledException ? TimedOut() : ErrorHandling.Unexpected(), context.RequestAborted);
        }
    }

    private ApiException TimedOut() => new(StatusCodes.Status504GatewayTimeout,
        $"The answer took longer than {options.RequestTimeout.TotalSeconds:0.###} s, this server's limit. Ask for fewer tokens.", code: "timeout");

    [LoggerMessage(Level = LogLevel.Information, Message = "Answered as {Model}: {PromptTokens} prompt tokens, {CompletionTokens} new tokens, {Milliseconds:0} ms")]
    private static partial void LogAnswered(ILogger logger, string model, int promptTokens, int completionTokens, double milliseconds);
}
