using System.Text.Json;
using System.Text.Json.Nodes;

namespace AlignerOnnx.Serving;

/// <summary>The functions that an answer may call, or must.</summary>
/// <param name="Functions">The functions; none where an answer is words.</param>
/// <param name="Required">Whether the answer must be a call; else the model chooses.</param>
internal sealed record Tools(IReadOnlyList<ToolFunction> Functions, bool Required)
{
    private const int MostTools = 128;

    internal bool Any => Functions.Count > 0;

    internal IReadOnlyCollection<string> Names { get; } = [.. Functions.Select(function => function.Name!)];

    /// <summary>Reads <c>tools</c> and <c>tool_choice</c> of a request.</summary>
    /// <exception cref="ApiException">They do not go together, or ask for what is not supported.</exception>
    internal static Tools Of(ChatCompletionRequest body)
    {
        ToolFunction[] functions = [.. (body.Tools ?? []).Select(Function)];
        if (functions.Length > MostTools)
        {
            throw ApiException.Invalid($"The request has {functions.Length} tools; at most {MostTools} are allowed.", "tools");
        }
        return body.ToolChoice switch
        {
            null or { ValueKind: JsonValueKind.Null } => new Tools(functions, Required: false),
            { ValueKind: JsonValueKind.Object } named => new Tools([Named(functions, named)], Required: true),
            { ValueKind: JsonValueKind.String } choice => Chosen(functions, choice.GetString()!),
            _ => throw UnknownChoice(body.ToolChoice.Value.GetRawText()),
        };
    }

    /// <summary>The functions as a list in OpenAI's form, for templates that take one.</summary>
    internal string ToJson() => new JsonArray([.. Functions.Select(function => new JsonObject
    {
        ["type"] = "function",
        ["function"] = JsonSerializer.SerializeToNode(function, ApiJson.Default.ToolFunction),
    })]).ToJsonString();

    private static Tools Chosen(ToolFunction[] functions, string choice) => choice switch
    {
        "none" => new Tools([], Required: false),
        "auto" => new Tools(functions, Required: false),
        "required" when functions is [] => throw ApiException.Invalid("tool_choice is required, but there are no tools.", "tool_choice"),
        "required" => new Tools(functions, Required: true),
        _ => throw UnknownChoice(choice),
    };

    private static ToolFunction Function(ToolDefinition? tool, int index) => tool is { Type: "function", Function: { Name.Length: > 0 and <= 64 } function }
        ? function
        : throw ApiException.Invalid("Only tools of the type function with a name of 1 to 64 characters are supported.", $"tools[{index}]", "unsupported_parameter");

    private static ToolFunction Named(ToolFunction[] functions, JsonElement choice)
    {
        string? name = choice.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object
            && function.TryGetProperty("name", out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
        return functions.FirstOrDefault(each => each.Name == name) ?? throw ApiException.Invalid($"tool_choice names '{name}', which is none of the tools.", "tool_choice");
    }

    private static ApiException UnknownChoice(string choice) => ApiException.Invalid(
        $"tool_choice {choice} is not supported: expected auto, none, required, or a function's name.", "tool_choice", "unsupported_parameter");
}
