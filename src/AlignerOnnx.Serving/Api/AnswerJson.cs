using System.Text.Encodings.Web;
using System.Text.Json;

namespace AlignerOnnx.Serving;

/// <summary>The API's bodies as the server writes them.</summary>
internal static class AnswerJson
{
    // A body of application/json is no HTML, so that quotes and umlauts need not become \u0022 and \u00FC: a third of the bytes of an answer that is JSON itself, and unreadable in curl.
    internal static ApiJson Types { get; } = new(new JsonSerializerOptions(ApiJson.Default.Options) { TypeInfoResolver = null, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
