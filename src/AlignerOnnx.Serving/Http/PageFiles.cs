using System.Reflection;

namespace AlignerOnnx.Serving;

/// <summary>The files of the page and the description of the API, which stand inside the assembly.</summary>
internal static class PageFiles
{
    private const string Prefix = "page/";

    /// <summary>Nothing but this server's own files runs on the page, and nothing is fetched from elsewhere.</summary>
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly Assembly Own = typeof(PageFiles).Assembly;

    internal static IReadOnlyList<string> Names { get; } = [.. Own.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(name => name[Prefix.Length..])];

    internal static string PathOf(string file) => file == "index.html" ? "/" : $"/{file}";

    internal static async Task WriteAsync(HttpContext context, string file)
    {
        context.Response.ContentType = Path.GetExtension(file) switch
        {
            ".html" => "text/html; charset=utf-8",
            ".css" => "text/css; charset=utf-8",
            ".js" => "text/javascript; charset=utf-8",
            _ => "application/json",
        };
        context.Response.Headers.ContentSecurityPolicy = Policy;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        context.Response.Headers.CacheControl = "no-cache";
        await using Stream content = Own.GetManifestResourceStream(Prefix + file)!;
        await content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
