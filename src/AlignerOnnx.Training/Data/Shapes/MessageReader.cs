using System.Text;
using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>One message of a row.</summary>
/// <param name="Turn">Who says what.</param>
/// <param name="Weight">0 where it is not to be learnt.</param>
internal sealed record Message(ConversationTurn Turn, double Weight)
{
    /// <summary>Whether it is an answer with something to learn.</summary>
    public bool IsLearnt => Turn.Role == ConversationTurn.Assistant && Weight != 0 && Turn.Content.Length > 0;
}

/// <summary>Reads messages in the words of OpenAI (<c>role</c>, <c>content</c>) and of ShareGPT (<c>from</c>, <c>value</c>).</summary>
internal sealed class MessageReader(DataPlace place)
{
    /// <summary>Whether a list of messages is written in ShareGPT's words.</summary>
    public static bool IsShareGpt(JsonElement list) =>
        list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.Object && list[0].TryGetProperty("from", out _);

    public IReadOnlyList<Message> ReadTurns(string field, JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw place.Refuse($"\"{field}\" is not a list", list.ValueKind.ToString(), "a list of {\"role\", \"content\"}", "wrap the messages in [ ]");
        }
        List<Message> turns = [];
        foreach (JsonElement turn in list.EnumerateArray())
        {
            turns.Add(ReadTurn($"{field}[{turns.Count}]", turn));
        }
        return turns;
    }

    /// <summary>Reads one message.</summary>
    /// <param name="name">What messages call it.</param>
    /// <param name="turn">The message.</param>
    public Message ReadTurn(string name, JsonElement turn)
    {
        if (turn.ValueKind == JsonValueKind.Object
            && (turn.TryGetProperty("role", out JsonElement role) || turn.TryGetProperty("from", out role)) && role.ValueKind == JsonValueKind.String
            && (turn.TryGetProperty("content", out JsonElement content) || turn.TryGetProperty("value", out content)))
        {
            return new Message(new ConversationTurn(StandardRole(role.GetString()!), ReadContent(name, content)), ReadWeight(name, turn));
        }
        throw place.Refuse($"{name} is not a message", RowFields.Short(turn), "{\"role\": text, \"content\": text} or {\"from\": text, \"value\": text}", "repair the message");
    }

    /// <summary>The role that chat templates know for a name that data sets use.</summary>
    private static string StandardRole(string role) => role switch
    {
        "human" or "prompter" => "user",
        "gpt" or "chatgpt" or "bard" or "bing" or "bot" or "model" or "function_call" => ConversationTurn.Assistant,
        "observation" or "function_response" => "tool",
        _ => role,
    };

    private double ReadWeight(string name, JsonElement turn)
    {
        if (!turn.TryGetProperty("weight", out JsonElement weight) || weight.ValueKind == JsonValueKind.Null)
        {
            return 1;
        }
        return weight.ValueKind == JsonValueKind.Number && weight.GetDouble() is double value and (0 or 1)
            ? value
            : throw place.Refuse($"the weight of {name} cannot be used", RowFields.Short(weight), "0 or 1", "repair the message");
    }

    /// <summary>Content is a string, or OpenAI's list of parts; only text can be learnt here.</summary>
    private string ReadContent(string name, JsonElement content)
    {
        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString()!;
        }
        if (content.ValueKind != JsonValueKind.Array)
        {
            throw place.Refuse($"the content of {name} is not text", RowFields.Short(content), "a string or a list of text parts", "repair the message");
        }
        StringBuilder text = new();
        foreach (JsonElement part in content.EnumerateArray())
        {
            text.Append(part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out JsonElement words) && words.ValueKind == JsonValueKind.String
                ? words.GetString()
                : throw place.Refuse($"a part of {name} is not text", RowFields.Short(part), "{\"type\": \"text\", \"text\": text}", "remove parts that are not text"));
        }
        return text.ToString();
    }
}
