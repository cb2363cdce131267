using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"prompt", "completion"}</c>, TRL's shape: two strings (plain text, no chat template) or two lists of messages. The completion is learnt.</summary>
internal sealed class PromptCompletionShape : IRowShape
{
    public string Name => "prompt-completion";

    public string Fields => "\"prompt\" and \"completion\" (two strings or two lists of messages)";

    public bool Fits(JsonElement row) => row.TryGetProperty("completion", out _);

    public DataRow Read(RowFields row)
    {
        (_, JsonElement prompt) = row.Require("prompt");
        (_, JsonElement completion) = row.Require("completion");
        if (prompt.ValueKind == JsonValueKind.String && completion.ValueKind == JsonValueKind.String)
        {
            string learnt = completion.GetString()!;
            return learnt.Length > 0
                ? new TextRow(row.Place, prompt.GetString()!, learnt)
                : throw row.Where.Refuse("the completion is empty", "\"\"", "a text to learn", "remove the row");
        }
        if (prompt.ValueKind == JsonValueKind.Array && completion.ValueKind == JsonValueKind.Array)
        {
            MessageReader reader = new(row.Where);
            IReadOnlyList<Message> asked = reader.ReadTurns("prompt", prompt);
            IReadOnlyList<Message> learnt = reader.ReadTurns("completion", completion);
            MessagesShape.RequireAssistantAtTheEnd(row.Where, "completion", learnt);
            return new ConversationRow(row.Place, [.. asked.Concat(learnt).Select(message => message.Turn)], asked.Count);
        }
        throw row.Where.Refuse("prompt and completion have the wrong type", $"{prompt.ValueKind} and {completion.ValueKind}", "two strings or two lists of messages", "write both the same way");
    }
}
