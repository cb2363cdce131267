using AlignerOnnx.Graph;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace AlignerOnnx.Serving;

/// <summary>Reads a multipart/form-data body part by part: files go straight to disk, fields are short.</summary>
internal static class MultipartUpload
{
    private const int LongestField = 64 << 10;
    private const int MostParts = 64;

    /// <summary>Reads every part.</summary>
    /// <param name="request">The request.</param>
    /// <param name="openFile">Gives the file to write a file part to, by its field and file name; it may refuse.</param>
    /// <param name="cancellation">Stops reading.</param>
    /// <returns>The fields.</returns>
    internal static async Task<Dictionary<string, List<string>>> ReadAsync(HttpRequest request, Func<string, string, Stream> openFile, CancellationToken cancellation)
    {
        try
        {
            return await ReadPartsAsync(request, openFile, cancellation);
        }
        catch (BadHttpRequestException e) when (e.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            throw ApiException.TooLarge("upload", request.HttpContext);
        }
        catch (Exception e) when (e is InvalidDataException or BadHttpRequestException || (e is IOException && !request.HttpContext.RequestAborted.IsCancellationRequested))
        {
            throw ApiException.Invalid($"The multipart body cannot be read: {e.Message}", null);
        }
    }

    private static async Task<Dictionary<string, List<string>>> ReadPartsAsync(HttpRequest request, Func<string, string, Stream> openFile, CancellationToken cancellation)
    {
        Dictionary<string, List<string>> fields = new(StringComparer.Ordinal);
        MultipartReader reader = new(Boundary(request), request.Body) { HeadersCountLimit = 16, HeadersLengthLimit = 8192 };
        int parts = 0;
        while (await reader.ReadNextSectionAsync(cancellation) is { } section)
        {
            if (++parts > MostParts)
            {
                throw ApiException.Invalid($"The body has more than {MostParts} parts.", null);
            }
            if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out ContentDispositionHeaderValue? disposition) || Unquoted(disposition.Name) is not { Length: > 0 } name)
            {
                throw ApiException.Invalid("A part of the body has no name.", null);
            }
            if (disposition.IsFileDisposition())
            {
                await using Stream file = openFile(name, Unquoted(disposition.FileNameStar.HasValue ? disposition.FileNameStar : disposition.FileName) ?? "");
                await section.Body.CopyToAsync(file, cancellation);
                continue;
            }
            if (!fields.TryGetValue(name, out List<string>? values))
            {
                fields.Add(name, values = []);
            }
            values.Add(await ReadFieldAsync(section, name, cancellation));
        }
        return fields;
    }

    private static string Boundary(HttpRequest request)
    {
        bool multipart = MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type) && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase);
        string? boundary = multipart ? Unquoted(type!.Boundary) : null;
        return boundary is { Length: > 0 and <= 200 }
            ? boundary
            : throw new ApiException(StatusCodes.Status415UnsupportedMediaType, "The body must have the content type multipart/form-data with a boundary.");
    }

    private static async Task<string> ReadFieldAsync(MultipartSection section, string name, CancellationToken cancellation)
    {
        using MemoryStream text = new();
        byte[] buffer = new byte[4096];
        int count;
        while ((count = await section.Body.ReadAsync(buffer, cancellation)) > 0)
        {
            if (text.Length + count > LongestField)
            {
                throw ApiException.Invalid($"The field '{name}' is longer than {LongestField} bytes.", name);
            }
            text.Write(buffer, 0, count);
        }
        return System.Text.Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    private static string? Unquoted(Microsoft.Extensions.Primitives.StringSegment text) => HeaderUtilities.RemoveQuotes(text).Value;
}
