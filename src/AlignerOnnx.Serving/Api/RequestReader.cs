using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.Features;

namespace AlignerOnnx.Serving;

/// <summary>Reads a request's JSON body.</summary>
internal static class RequestReader
{
    /// <summary>As <see cref="ReadAsync"/>, where a request without a body means one without any field.</summary>
    internal static Task<T> ReadIfAnyAsync<T>(HttpRequest http, JsonTypeInfo<T> type, T none, CancellationToken cancellation) =>
        http.ContentLength is 0 || http.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false } ? Task.FromResult(none) : ReadAsync(http, type, cancellation);

    internal static async Task<T> ReadAsync<T>(HttpRequest http, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        // Pages of other origins can post forms and plain text to loopback unasked, but not JSON.
        if (!http.HasJsonContentType())
        {
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "The body must have the content type application/json.");
        }
        try
        {
            using MemoryStream body = new();
            await http.Body.CopyToAsync(body, cancellation);
            ReadOnlyMemory<byte> text = body.GetBuffer().AsMemory(0, (int)body.Length);
            T read = JsonSerializer.Deserialize(text.Span, type) ?? throw ApiException.Invalid("The body is null; expected a JSON object.", null);
            RequireUnicode(text.Span);
            return read;
        }
        catch (JsonException e)
        {
            string? field = e.Path is null or "$" ? null : e.Path.TrimStart('$', '.');
            throw IsUnknown(e) ? ApiException.Unsupported(field!) : ApiException.Invalid(IsWrongType(e) ? $"{field ?? "The body"} is of the wrong type; see /reference (byte {e.BytePositionInLine + 1} of line {e.LineNumber + 1})." : $"The body cannot be read: {e.Message}", field);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw ApiException.TooLarge("body", http.HttpContext);
        }
    }

    /// <summary>The parser's own words for it name .NET types.</summary>
    private static bool IsWrongType(JsonException e) => e.Message.Contains("could not be converted", StringComparison.Ordinal);

    private static bool IsUnknown(JsonException e) => e.Message.Contains("could not be mapped", StringComparison.Ordinal);

    /// <summary>Fields that keep their JSON are decoded late; what in them is no text must be found here, once for all.</summary>
    private static void RequireUnicode(ReadOnlySpan<byte> body)
    {
        try
        {
            Utf8JsonReader reader = new(body);
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                {
                    _ = reader.GetString();
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw ApiException.Invalid($"The body holds text that is not Unicode: {e.Message}", null);
        }
    }
}
