using System.Text.Json;
using System.Text.Json.Nodes;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>
/// Function calls. The functions are described in the system message and the answer is held to the form of a call, so that any model makes well-formed ones; whether
/// to call at all cannot be left to models whose templates know no tools.
/// </summary>
internal static class ToolCalling
{
    private const int MostTools = 128;

    /// <summary>The form of a call to one of the functions that may be called; null where none shall be.</summary>
    internal static Guidance? Form(ChatCompletionRequest body)
    {
        ToolFunction[] functions = Callable(body);
        if (functions is [])
        {
            return null;
        }
        if (body.ResponseFormat?.Type is not (null or "text") || body.StructuredOutputs is not null)
        {
            throw ApiException.Invalid("An answer that is a function call cannot have another form too.", "response_format");
        }
        JsonArray forms = [.. functions.Select(Call)];
        return new Guidance(GuidanceKind.JsonSchema, new JsonObject { ["anyOf"] = forms }.ToJsonString());
    }

    /// <summary>Tells the model of the functions: in its system message, which templates of every kind have.</summary>
    internal static IReadOnlyList<ChatTurn> Describe(ChatCompletionRequest body, IReadOnlyList<ChatTurn> turns)
    {
        ToolFunction[] functions = Callable(body);
        if (functions is [])
        {
            return turns;
        }
        string text = $"Answer by calling one of these functions, as {{\"name\": ..., \"arguments\": {{...}}}}:\n{string.Join('\n', functions.Select(function => JsonSerializer.Serialize(function, ApiJson.Default.ToolFunction)))}";
        return turns is [{ Role: "system" } first, ..] ? [first with { Content = $"{first.Content}\n{text}" }, .. turns.Skip(1)] : [new ChatTurn("system", text), .. turns];
    }

    /// <summary>The call that an answer is; null where it was cut off before it was whole.</summary>
    internal static ToolCall? Read(string answer)
    {
        try
        {
            JsonElement call = JsonDocument.Parse(answer).RootElement;
            return new ToolCall(0, $"call_{Guid.NewGuid():N}", "function", new ToolCallFunction(call.GetProperty("name").GetString()!, call.GetProperty("arguments").GetRawText()));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonNode Call(ToolFunction function) => new JsonObject
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["name"] = new JsonObject { ["const"] = function.Name },
            ["arguments"] = function.Parameters is { ValueKind: JsonValueKind.Object } parameters ? JsonNode.Parse(parameters.GetRawText()) : new JsonObject { ["type"] = "object" },
        },
        ["required"] = new JsonArray("name", "arguments"),
        ["additionalProperties"] = false,
    };

    private static ToolFunction[] Callable(ChatCompletionRequest body)
    {
        ToolFunction[] functions = [.. (body.Tools ?? []).Select(Function)];
        if (functions.Length > MostTools)
        {
            throw ApiException.Invalid($"The request has {functions.Length} tools; at most {MostTools} are allowed.", "tools");
        }
        return body.ToolChoice switch
        {
            { ValueKind: JsonValueKind.String } choice when choice.GetString() == "none" => [],
            { ValueKind: JsonValueKind.String } choice when choice.GetString() == "required" && functions.Length > 0 => functions,
            { ValueKind: JsonValueKind.Object } named => [Named(functions, named)],
            null or { ValueKind: JsonValueKind.Null } when functions is [] => [],
            null or { ValueKind: JsonValueKind.Null } => throw Unsupported("auto"),
            _ => throw Unsupported(body.ToolChoice.Value.GetRawText()),
        };
    }

    private static ToolFunction Function(ToolDefinition? tool, int index) => tool is { Type: "function", Function: { Name.Length: > 0 and <= 64 } function }
        ? function
        : throw ApiException.Invalid("Only tools of the type function with a name of 1 to 64 characters are supported.", $"tools[{index}]", "unsupported_parameter");

    private static ToolFunction Named(ToolFunction[] functions, JsonElement choice)
    {
        string? name = choice.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object
            && function.TryGetProperty("name", out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
        return functions.FirstOrDefault(each => each.Name == name) ?? throw ApiException.Invalid($"tool_choice names '{name}', which is none of the tools.", "tool_choice");
    }

    private static ApiException Unsupported(string choice) => ApiException.Invalid(
        $"tool_choice {choice} is not supported: expected required, none, or a function's name. Whether to call a function cannot be left to this model.", "tool_choice", "unsupported_parameter");
}
