using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Turns the messages of a chat request into a prompt.</summary>
internal static class Conversation
{
    internal static int[] Prompt(ChatModel chat, ChatCompletionRequest body)
    {
        IReadOnlyList<RequestMessage>? messages = body.Messages;
        if (messages is null or [])
        {
            throw ApiException.Invalid("messages is missing or empty; at least one message is needed.", "messages");
        }
        ChatTurn[] turns = [.. messages.Select((message, index) => new ChatTurn(Role(message, index), Content(message, index)))];
        try
        {
            return chat.Encode(chat.ApplyChatTemplate(ToolCalling.Describe(body, turns)));
        }
        catch (ArgumentException e)
        {
            throw ApiException.Invalid(e.Message, "messages");
        }
    }

    private static string Role(RequestMessage? message, int index) => message?.Role switch
    {
        "system" or "developer" => "system",
        "user" => "user",
        "assistant" => "assistant",
        string other => throw ApiException.Invalid($"The role '{other}' is not supported; expected system, developer, user or assistant.", $"messages[{index}].role"),
        null => throw ApiException.Invalid("The message has no role.", $"messages[{index}].role"),
    };

    private static string Content(RequestMessage message, int index) => message.Content switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(part => TextPart(part, index))),
        _ => throw ApiException.Invalid("The message has no content; expected a string or a list of text parts.", $"messages[{index}].content"),
    };

    private static string TextPart(JsonElement part, int index)
    {
        bool isText = part.ValueKind == JsonValueKind.Object
            && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text";
        return isText && part.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw ApiException.Invalid("Only parts of the type text are supported.", $"messages[{index}].content");
    }
}
