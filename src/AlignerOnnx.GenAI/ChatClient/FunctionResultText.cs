using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>The result of a function as a model reads it: a text as it is, all else as JSON.</summary>
internal static class FunctionResultText
{
    /// <exception cref="ArgumentException">The result cannot be written as JSON.</exception>
    /// <exception cref="NotSupportedException">The result holds other contents than text.</exception>
    internal static string Of(FunctionResultContent content) => content.Result switch
    {
        null when content.Exception is not null => "Error: the function failed.",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        AIContent part => Text(part, content),
        IEnumerable<AIContent> parts => string.Concat(parts.Select(part => Text(part, content))),
        var value => Json(value, content),
    };

    private static string Text(AIContent part, FunctionResultContent content) => part is TextContent text
        ? text.Text
        : throw new NotSupportedException($"The result of the call '{content.CallId}' holds {part.GetType().Name}; supported are text and what can be written as JSON.");

    private static string Json(object? value, FunctionResultContent content)
    {
        try
        {
            return ModelJson.Write(value);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new ArgumentException($"The result of the call '{content.CallId}' cannot be written as JSON: {e.Message}", e);
        }
    }
}
