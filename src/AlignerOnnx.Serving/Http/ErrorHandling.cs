using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>Answers failures with error objects.</summary>
internal static partial class ErrorHandling
{
    internal static async Task Run(HttpContext context, RequestDelegate next, ILogger logger, ServerTelemetry telemetry)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client has gone; nobody reads an answer.
        }
        catch (ApiException e) when (!context.Response.HasStarted)
        {
            telemetry.Refused(e.Status);
            await WriteAsync(context, e);
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            // The connection broke the protocol, or sent too slowly or too much.
            telemetry.Refused(e.StatusCode);
            await WriteAsync(context, new ApiException(e.StatusCode, $"The request cannot be read: {e.Message}"));
        }
        catch (RefusedException e) when (!context.Response.HasStarted)
        {
            telemetry.Refused(StatusCodes.Status400BadRequest);
            await WriteAsync(context, ApiException.Refused(e));
        }
#pragma warning disable CA1031 // One request's failure, of whatever kind, must not end the server.
        catch (Exception e) when (!context.Response.HasStarted)
#pragma warning restore CA1031
        {
            telemetry.Refused(StatusCodes.Status500InternalServerError);
            LogFailure(logger, e);
            await WriteAsync(context, Unexpected());
        }
    }

    internal static Task WriteAsync(HttpContext context, ApiException error)
    {
        context.Response.StatusCode = error.Status;
        return context.Response.WriteAsJsonAsync(error.Body, AnswerJson.Types.ErrorBody);
    }

    /// <summary>Tells nothing about the inside; the log does.</summary>
    internal static ApiException Unexpected() => new(StatusCodes.Status500InternalServerError, "The server failed to answer; its log says why.", code: "internal_error");

    internal static string ToJson(ApiException error) => JsonSerializer.Serialize(error.Body, AnswerJson.Types.ErrorBody);

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed")]
    internal static partial void LogFailure(ILogger logger, Exception exception);
}
