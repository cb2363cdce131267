using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"messages": [{"role", "content"}, ...]}</c>, the shape of OpenAI and TRL. A message of <c>"weight": 0</c> is not learnt;
/// a row of <c>"label": false</c> (KTO data) is a bad answer and left out.</summary>
internal sealed class MessagesShape : IRowShape
{
    public string Name => "messages";

    public string Fields => "\"messages\" (a list of \"role\" and \"content\")";

    public bool Fits(JsonElement row) => row.TryGetProperty("messages", out JsonElement messages) && !MessageReader.IsShareGpt(messages);

    public DataRow Read(RowFields row)
    {
        (string name, JsonElement messages) = row.Require("messages");
        IReadOnlyList<Message> turns = new MessageReader(row.Where).ReadTurns(name, messages);
        if (row.Find("label") is { ValueKind: JsonValueKind.False })
        {
            return new UnusableRow(row.Place, "marked as a bad answer (\"label\": false)");
        }
        RequireAssistantAtTheEnd(row.Where, name, turns);
        return Conversation(row.Place, turns);
    }

    /// <summary>A row of which every answer may be learnt, up to the last one that counts.</summary>
    public static DataRow Conversation(string place, IReadOnlyList<Message> turns)
    {
        int[] answers = [.. Enumerable.Range(0, turns.Count).Where(i => turns[i].IsLearnt)];
        return answers.Length == 0
            ? new UnusableRow(place, "no answer to learn")
            : new ConversationRow(place, [.. turns.Take(answers[^1] + 1).Select(turn => turn.Turn)], answers[^1]) { EarlierAnswers = answers[..^1] };
    }

    public static void RequireAssistantAtTheEnd(DataPlace place, string field, IReadOnlyList<Message> turns)
    {
        if (turns.Count == 0 || turns[^1].Turn.Role != ConversationTurn.Assistant)
        {
            throw place.Refuse($"\"{field}\" does not end with an answer", turns.Count == 0 ? "no turn" : $"the last role is \"{turns[^1].Turn.Role}\"", "a last turn of role \"assistant\"", "add the answer to learn, or remove the row");
        }
    }
}
