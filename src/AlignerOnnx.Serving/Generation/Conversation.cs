using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Reads the messages of a chat request.</summary>
internal static class Conversation
{
    private const int LongestName = 64;

    /// <summary>The turns as the client means them: results of functions know the call that they belong to.</summary>
    internal static IReadOnlyList<ChatTurn> Read(IReadOnlyList<RequestMessage>? messages)
    {
        if (messages is null or [])
        {
            throw ApiException.Invalid("messages is missing or empty; at least one message is needed.", "messages");
        }
        Dictionary<string, FunctionCall> called = new(StringComparer.Ordinal);
        List<ChatTurn> turns = [];
        foreach ((int index, RequestMessage? message) in messages.Index())
        {
            ChatTurn turn = Turn(message ?? throw NoRole(index), index, called);
            foreach (FunctionCall call in turn.Calls)
            {
                called[call.Id] = call;
            }
            turns.Add(turn);
        }
        return turns;
    }

    private static ChatTurn Turn(RequestMessage message, int index, Dictionary<string, FunctionCall> called)
    {
        string role = Role(message, index);
        string path = $"messages[{index}]";
        message.RefuseOthers(path);
        RequireOfRole("assistant", message.ToolCalls is { Count: > 0 }, "tool_calls");
        RequireOfRole("tool", message.ToolCallId is { Length: > 0 }, "tool_call_id");
        FunctionCall[] calls = [.. (message.ToolCalls ?? []).Select((call, number) => Call(call, $"{path}.tool_calls[{number}]"))];
        return new ChatTurn(role, Content(message, index, mayBeAbsent: calls.Length > 0))
        {
            Name = role == "tool" ? null : Participant(message, path),
            Calls = calls,
            ResultOf = role == "tool" ? ResultOf(message, path, called) : null,
        };

        void RequireOfRole(string only, bool given, string field)
        {
            if (given && role != only)
            {
                throw ApiException.Invalid($"{field} is supported in messages of the role {only} only.", $"{path}.{field}", "unsupported_parameter");
            }
        }
    }

    private static string? Participant(RequestMessage message, string path) => message.Name switch
    {
        null or "" => null,
        { Length: > LongestName } => throw ApiException.Invalid($"The message's name has {message.Name.Length} characters; at most {LongestName} are allowed.", $"{path}.name"),
        string name => name,
    };

    private static FunctionCall ResultOf(RequestMessage message, string path, Dictionary<string, FunctionCall> called)
    {
        FunctionCall call = called.GetValueOrDefault(message.ToolCallId ?? "")
            ?? throw ApiException.Invalid($"The message's tool_call_id '{message.ToolCallId}' names no call of an assistant message before it.", $"{path}.tool_call_id");
        return message.Name is null or "" || message.Name == call.Name
            ? call
            : throw ApiException.Invalid($"The message's name is '{message.Name}', but the call '{call.Id}' is one of '{call.Name}'.", $"{path}.name");
    }

    private static string Role(RequestMessage message, int index) => message.Role switch
    {
        "system" or "developer" => "system",
        "user" or "assistant" or "tool" => message.Role,
        null => throw NoRole(index),
        string other => throw ApiException.Invalid($"The role '{other}' is not supported; expected system, developer, user, assistant or tool.", $"messages[{index}].role"),
    };

    private static FunctionCall Call(RequestToolCall? call, string param)
    {
        if (call is not { Id.Length: > 0 and <= 256, Type: null or "function", Function: { Name.Length: > 0 and <= 64 } function })
        {
            throw ApiException.Invalid("A tool call needs an id, the type function, and a function's name and arguments.", param);
        }
        call.RefuseOthers(param);
        function.RefuseOthers($"{param}.function");
        return new FunctionCall(call.Id, function.Name, Arguments(function.Arguments, param));
    }

    private static string Arguments(string? text, string param)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return "{}";
        }
        try
        {
            return JsonElement.Parse(text) is { ValueKind: JsonValueKind.Object } arguments ? arguments.GetRawText() : throw new JsonException("no object");
        }
        catch (JsonException e)
        {
            throw ApiException.Invalid($"The arguments of a tool call must be a JSON object, as text: {e.Message}", $"{param}.function.arguments");
        }
    }

    private static string Content(RequestMessage message, int index, bool mayBeAbsent) => message.Content switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select((part, number) => TextPart(part, $"messages[{index}].content", number))),
        null or { ValueKind: JsonValueKind.Null } when mayBeAbsent => "",
        _ => throw ApiException.Invalid("The message has no content; expected a string or a list of text parts.", $"messages[{index}].content"),
    };

    private static string TextPart(JsonElement part, string path, int number)
    {
        bool isText = part.ValueKind == JsonValueKind.Object
            && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text";
        if (!isText || !part.TryGetProperty("text", out JsonElement text) || text.ValueKind != JsonValueKind.String)
        {
            throw ApiException.Invalid("Only parts of the type text are supported.", path, "unsupported_parameter");
        }
        OpenObject.RefuseOthers(part, $"{path}[{number}]", "type", "text");
        return text.GetString()!;
    }

    private static ApiException NoRole(int index) => ApiException.Invalid("The message has no role.", $"messages[{index}].role");
}
