using System.Text.Json.Nodes;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>
/// Holds answers to the form of a call, so that any model makes well-formed ones: the whole answer where it must be a call; where the model chooses, an answer that begins
/// as one. A model whose template takes tools was taught a form of its own and is left to it.
/// </summary>
internal static class CallForm
{
    /// <summary>The form of an answer; null where it is free.</summary>
    /// <param name="tools">The functions.</param>
    /// <param name="body">The request, which must not ask for another form.</param>
    /// <param name="templateTakesTools">Whether the model's template tells it of the tools.</param>
    internal static Guidance? Of(Tools tools, ChatCompletionRequest body, bool templateTakesTools)
    {
        if (!tools.Any)
        {
            return null;
        }
        if (body.ResponseFormat?.Type is not (null or "text") || body.StructuredOutputs is not null)
        {
            throw ApiException.Invalid("An answer that may be a function call cannot have another form too.", "response_format");
        }
        JsonObject call = new() { ["anyOf"] = new JsonArray([.. tools.Functions.Select(Call)]) };
        return tools.Required ? new Guidance(GuidanceKind.JsonSchema, call.ToJsonString())
            : templateTakesTools ? null
            : new Guidance(GuidanceKind.Grammar, WordsOr(call));
    }

    /// <summary>Words, which do not begin with a brace, or a call.</summary>
    private static string WordsOr(JsonObject call)
    {
        call["x-guidance"] = Guidance.CompactJson();
        return $$"""
            start: WORDS | call
            WORDS: /[ \r\n\t]*[^{ \r\n\t](.|\n)*/
            call: %json {{call.ToJsonString()}}
            """;
    }

    private static JsonNode Call(ToolFunction function) => new JsonObject
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["name"] = new JsonObject { ["const"] = function.Name },
            ["arguments"] = function.Parameters is { ValueKind: System.Text.Json.JsonValueKind.Object } parameters ? JsonNode.Parse(parameters.GetRawText()) : new JsonObject { ["type"] = "object" },
        },
        ["required"] = new JsonArray("name", "arguments"),
        ["additionalProperties"] = false,
    };
}
