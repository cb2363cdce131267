using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Turns one JSON object into a row, or refuses it with its place.</summary>
internal sealed class DataRowReader(string path, string place)
{
    private const string Shapes = "\"messages\", or \"prompt\" and \"completion\", or \"input_ids\" and \"labels\"";

    public DataRow Read(JsonElement row)
    {
        if (row.ValueKind != JsonValueKind.Object)
        {
            throw Refuse("the row is not an object", row.ValueKind.ToString(), "a JSON object", "put one object on each line");
        }
        if (row.TryGetProperty("input_ids", out JsonElement ids))
        {
            return ReadTokens(ids, Required(row, "labels"));
        }
        if (row.TryGetProperty("messages", out JsonElement messages))
        {
            return ReadMessages(messages);
        }
        if (row.TryGetProperty("completion", out JsonElement completion))
        {
            return ReadPair(Required(row, "prompt"), completion);
        }
        throw RefuseUnknown(row);
    }

    private DataRefusedException RefuseUnknown(JsonElement row)
    {
        string names = string.Join(", ", row.EnumerateObject().Take(8).Select(property => $"\"{property.Name}\""));
        string remedy = row.TryGetProperty("chosen", out _)
            ? "this is a preference row: train it with dpo, or give supervised rows"
            : "rename the fields to one of these shapes";
        return Refuse("the row has no known shape", names.Length == 0 ? "no field" : names, Shapes, remedy);
    }

    private ConversationRow ReadMessages(JsonElement messages)
    {
        List<ConversationTurn> turns = ReadTurns("messages", messages);
        RequireAssistantAtTheEnd("messages", turns);
        return new ConversationRow(place, turns, turns.Count - 1);
    }

    private DataRow ReadPair(JsonElement prompt, JsonElement completion)
    {
        if (prompt.ValueKind == JsonValueKind.String && completion.ValueKind == JsonValueKind.String)
        {
            string learnt = completion.GetString()!;
            return learnt.Length > 0
                ? new TextRow(place, prompt.GetString()!, learnt)
                : throw Refuse("the completion is empty", "\"\"", "a text to learn", "remove the row");
        }
        if (prompt.ValueKind == JsonValueKind.Array && completion.ValueKind == JsonValueKind.Array)
        {
            List<ConversationTurn> turns = ReadTurns("prompt", prompt);
            List<ConversationTurn> learnt = ReadTurns("completion", completion);
            RequireAssistantAtTheEnd("completion", learnt);
            return new ConversationRow(place, [.. turns, .. learnt], turns.Count);
        }
        throw Refuse("prompt and completion have the wrong type", $"{prompt.ValueKind} and {completion.ValueKind}", "two strings or two lists of messages", "write both the same way");
    }

    private void RequireAssistantAtTheEnd(string field, List<ConversationTurn> turns)
    {
        if (turns.Count == 0 || turns[^1].Role != ConversationTurn.Assistant)
        {
            throw Refuse($"\"{field}\" does not end with an answer", turns.Count == 0 ? "no turn" : $"the last role is \"{turns[^1].Role}\"", "a last turn of role \"assistant\"", "add the answer to learn, or remove the row");
        }
    }

    private List<ConversationTurn> ReadTurns(string field, JsonElement list)
    {
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw Refuse($"\"{field}\" is not a list", list.ValueKind.ToString(), "a list of {\"role\", \"content\"}", "wrap the messages in [ ]");
        }
        List<ConversationTurn> turns = [];
        foreach (JsonElement turn in list.EnumerateArray())
        {
            turns.Add(ReadTurn($"{field}[{turns.Count}]", turn));
        }
        return turns;
    }

    private ConversationTurn ReadTurn(string name, JsonElement turn)
    {
        if (turn.ValueKind != JsonValueKind.Object
            || !turn.TryGetProperty("role", out JsonElement role) || role.ValueKind != JsonValueKind.String
            || !turn.TryGetProperty("content", out JsonElement content))
        {
            throw Refuse($"{name} is not a message", Short(turn), "{\"role\": text, \"content\": text}", "repair the message");
        }
        return new ConversationTurn(role.GetString()!, ReadContent(name, content));
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
            throw Refuse($"the content of {name} is not text", Short(content), "a string or a list of text parts", "repair the message");
        }
        StringBuilder text = new();
        foreach (JsonElement part in content.EnumerateArray())
        {
            text.Append(part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out JsonElement words) && words.ValueKind == JsonValueKind.String
                ? words.GetString()
                : throw Refuse($"a part of {name} is not text", Short(part), "{\"type\": \"text\", \"text\": text}", "remove parts that are not text"));
        }
        return text.ToString();
    }

    private TokenRow ReadTokens(JsonElement ids, JsonElement labels)
    {
        int[] inputIds = ReadIntegers("input_ids", ids, lowest: 0);
        int[] learnt = ReadIntegers("labels", labels, TrainingExample.IgnoredLabel);
        if (inputIds.Length == 0 || inputIds.Length != learnt.Length)
        {
            throw Refuse("input_ids and labels do not match", $"{inputIds.Length} and {learnt.Length} entries", "two lists of one length, not empty", "write one label for each token");
        }
        for (int t = 0; t < learnt.Length; t++)
        {
            if (learnt[t] != TrainingExample.IgnoredLabel && learnt[t] != inputIds[t])
            {
                throw Refuse($"labels[{t}] is not its token", $"{learnt[t]}", $"{inputIds[t]} or -100", "write labels that are not shifted; the loss shifts them");
            }
        }
        return new TokenRow(place, inputIds, learnt);
    }

    private int[] ReadIntegers(string field, JsonElement list, int lowest)
    {
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw Refuse($"\"{field}\" is not a list", list.ValueKind.ToString(), "a list of integers", "repair the row");
        }
        int[] values = new int[list.GetArrayLength()];
        int index = 0;
        foreach (JsonElement element in list.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int value) || value < lowest)
            {
                throw Refuse($"{field}[{index}] is not a token id", Short(element), $"an integer of {lowest} or more", "repair the row");
            }
            values[index++] = value;
        }
        return values;
    }

    private JsonElement Required(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value) ? value : throw Refuse($"\"{name}\" is missing", "no such field", Shapes, $"add \"{name}\"");

    private DataRefusedException Refuse(string what, string found, string expected, string remedy) =>
        new(what, $"{path}, {place}", found, expected, remedy);

    private static string Short(JsonElement element)
    {
        string text = element.GetRawText();
        return text.Length <= 80 ? text : $"{text.AsSpan(0, 80)}...";
    }
}
