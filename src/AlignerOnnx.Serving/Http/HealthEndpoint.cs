using Microsoft.Extensions.Hosting;

namespace AlignerOnnx.Serving;

/// <summary>Says to load balancers whether the process lives and whether it takes requests; it stops taking them as soon as it is asked to end.</summary>
internal sealed class HealthEndpoint(IHostApplicationLifetime lifetime, ServerParts parts)
{
    internal static Task Live(HttpContext context) => Json.WriteAsync(context, new Health("ok"), AnswerJson.Types.Health);

    internal Task Ready(HttpContext context)
    {
        bool ready = !lifetime.ApplicationStopping.IsCancellationRequested && parts.Database.Query("SELECT 1", _ => true).Count == 1;
        context.Response.StatusCode = ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Json.WriteAsync(context, new Health(ready ? "ok" : "stopping"), AnswerJson.Types.Health);
    }
}
