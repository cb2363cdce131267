using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AlignerOnnx.Serving;

/// <summary>Values of a request's path.</summary>
internal static class Route
{
    /// <summary>A part of the path, empty where the path ends before it. Routing leaves an encoded slash encoded, so that names may hold one.</summary>
    internal static string Text(HttpContext context, string name) => ((string?)context.Request.RouteValues[name] ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
}

/// <summary>Writes JSON bodies.</summary>
internal static class Json
{
    internal static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(value, type, cancellationToken: context.RequestAborted);
}
