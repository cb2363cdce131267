using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Reads which functions a request lets its answer call: <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>.</summary>
internal static class RequestedFunctions
{
    private const int MostTools = 128;

    /// <summary>The functions.</summary>
    /// <param name="body">The request.</param>
    /// <exception cref="ApiException">The fields do not go together, or ask for what is not supported.</exception>
    internal static CallableFunctions Of(ChatCompletionRequest body)
    {
        CallableFunction[] functions = [.. (body.Tools ?? []).Select(Function)];
        if (functions.Length > MostTools)
        {
            throw ApiException.Invalid($"The request has {functions.Length} tools; at most {MostTools} are allowed.", "tools");
        }
        RequireNamesOfTheirOwn(functions);
        return Chosen(functions, body.ToolChoice) with { SeveralCalls = body.ParallelToolCalls is not false };
    }

    private static void RequireNamesOfTheirOwn(CallableFunction[] functions)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach ((int index, CallableFunction function) in functions.Index())
        {
            if (!names.Add(function.Name))
            {
                throw ApiException.Invalid($"The function '{function.Name}' is given twice.", $"tools[{index}].function.name");
            }
        }
    }

    private static CallableFunctions Chosen(CallableFunction[] functions, JsonElement? choice) => choice switch
    {
        null or { ValueKind: JsonValueKind.Null } => new(functions),
        { ValueKind: JsonValueKind.Object } named => new([Named(functions, named)], Required: true),
        { ValueKind: JsonValueKind.String } => Chosen(functions, choice.Value.GetString()!),
        _ => throw UnknownChoice(choice.Value.GetRawText()),
    };

    private static CallableFunctions Chosen(CallableFunction[] functions, string choice) => choice switch
    {
        "none" => CallableFunctions.None,
        "auto" => new(functions),
        "required" when functions is [] => throw ApiException.Invalid("tool_choice is required, but there are no tools.", "tool_choice"),
        "required" => new(functions, Required: true),
        _ => throw UnknownChoice(choice),
    };

    private static CallableFunction Function(ToolDefinition? tool, int index)
    {
        if (tool is not { Type: "function", Function: { Name.Length: > 0 and <= 64 } function })
        {
            throw ApiException.Invalid("Only tools of the type function with a name of 1 to 64 characters are supported.", $"tools[{index}]", "unsupported_parameter");
        }
        tool.RefuseOthers($"tools[{index}]");
        function.RefuseOthers($"tools[{index}].function");
        return new CallableFunction(function.Name, function.Description, Parameters(function.Parameters, index));
    }

    private static JsonElement? Parameters(JsonElement? schema, int index) => schema switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.Object } => schema,
        _ => throw ApiException.Invalid("The parameters of a function must be a JSON schema, an object.", $"tools[{index}].function.parameters"),
    };

    private static CallableFunction Named(CallableFunction[] functions, JsonElement choice)
    {
        OpenObject.RefuseOthers(choice, "tool_choice", "type", "function");
        string? name = null;
        if (choice.TryGetProperty("function", out JsonElement function) && function.ValueKind == JsonValueKind.Object)
        {
            OpenObject.RefuseOthers(function, "tool_choice.function", "name");
            name = function.TryGetProperty("name", out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
        }
        return functions.FirstOrDefault(each => each.Name == name) ?? throw ApiException.Invalid($"tool_choice names '{name}', which is none of the tools.", "tool_choice");
    }

    private static ApiException UnknownChoice(string choice) => ApiException.Invalid(
        $"tool_choice {choice} is not supported: expected auto, none, required, or a function's name.", "tool_choice", "unsupported_parameter");
}
