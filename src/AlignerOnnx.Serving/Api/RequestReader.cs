using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AlignerOnnx.Serving;

/// <summary>Reads a request's JSON body.</summary>
internal static class RequestReader
{
    internal static async Task<T> ReadAsync<T>(HttpRequest http, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        // Pages of other origins can post forms and plain text to loopback unasked, but not JSON.
        if (!http.HasJsonContentType())
        {
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "The body must have the content type application/json.");
        }
        try
        {
            return await JsonSerializer.DeserializeAsync(http.Body, type, cancellation)
                ?? throw ApiException.Invalid("The body is null; expected a JSON object.", null);
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid($"The body cannot be read: {e.Message}", e.Path is null or "$" ? null : e.Path.TrimStart('$', '.'));
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw new ApiException(e.StatusCode, "The body is larger than this server accepts.", code: "request_too_large");
        }
    }
}
