using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace AlignerOnnx.ServerLoad;

/// <summary>One streamed answer with its times, which are <see cref="Stopwatch"/> ticks.</summary>
/// <param name="Asked">When the request was sent.</param>
/// <param name="First">When the first piece came.</param>
/// <param name="Ended">When the last piece had come.</param>
/// <param name="Pieces">How many pieces of text came.</param>
/// <param name="Text">The whole text.</param>
/// <param name="Fingerprint">Which adapter version answered.</param>
internal sealed record StreamedAnswer(long Asked, long First, long Ended, int Pieces, string Text, string Fingerprint)
{
    /// <summary>Milliseconds to the first piece.</summary>
    internal double FirstMs => Stopwatch.GetElapsedTime(Asked, First).TotalMilliseconds;

    /// <summary>Mean milliseconds of each further piece; NaN where there is none.</summary>
    internal double EachMs => Pieces > 1 ? Stopwatch.GetElapsedTime(First, Ended).TotalMilliseconds / (Pieces - 1) : double.NaN;

    /// <summary>Asks greedily and reads the stream to its end.</summary>
    /// <exception cref="HttpRequestException">The server is gone, refused, or ended the stream early.</exception>
    internal static async Task<StreamedAnswer> AskAsync(HttpClient http, Variant variant, string question, int tokens)
    {
        long asked = Stopwatch.GetTimestamp();
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(new { model = variant.Model, adapters = variant.Adapters, stream = true, temperature = 0, max_tokens = tokens, messages = new[] { new { role = "user", content = question } } }),
        };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync()}", null, response.StatusCode);
        }
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync());
        (long first, int pieces, string fingerprint) = (0, 0, "");
        StringBuilder text = new();
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line == "data: [DONE]")
            {
                long ended = Stopwatch.GetTimestamp();
                return new StreamedAnswer(asked, first == 0 ? ended : first, ended, pieces, text.ToString(), fingerprint);
            }
            if (line.StartsWith("data: ", StringComparison.Ordinal) && PieceOf(line, ref fingerprint) is { Length: > 0 } piece)
            {
                first = pieces++ == 0 ? Stopwatch.GetTimestamp() : first;
                text.Append(piece);
            }
        }
        throw new HttpRequestException("the stream ended without [DONE]");
    }

    private static string? PieceOf(string line, ref string fingerprint)
    {
        using JsonDocument document = JsonDocument.Parse(line.AsMemory("data: ".Length));
        JsonElement root = document.RootElement;
        if (root.TryGetProperty("error", out JsonElement error))
        {
            throw new HttpRequestException(error.ToString());
        }
        fingerprint = root.GetProperty("system_fingerprint").GetString()!;
        JsonElement choices = root.GetProperty("choices");
        return choices.GetArrayLength() > 0 && choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : null;
    }
}

/// <summary>Whom a request asks.</summary>
/// <param name="Model">The request's model.</param>
/// <param name="Adapters">The request's blend; null for none.</param>
internal sealed record Variant(string Model, IReadOnlyList<object>? Adapters = null);
