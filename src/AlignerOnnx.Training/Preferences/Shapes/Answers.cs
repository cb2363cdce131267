using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>Reads the answers of preference rows.</summary>
internal static class Answers
{
    /// <summary>The turns of an answer: a text, one message, or a list of messages that ends with the assistant's.</summary>
    public static IReadOnlyList<ConversationTurn> Read(RowFields row, string name)
    {
        (_, JsonElement value) = row.Require(name);
        MessageReader reader = new(row.Where);
        IReadOnlyList<Message> messages = value.ValueKind switch
        {
            JsonValueKind.String => [new Message(new ConversationTurn(ConversationTurn.Assistant, value.GetString()!), 1)],
            JsonValueKind.Object => [reader.ReadTurn(name, value)],
            _ => reader.ReadTurns(name, value),
        };
        MessagesShape.RequireAssistantAtTheEnd(row.Where, name, messages);
        return [.. messages.Select(message => message.Turn)];
    }

    /// <summary>A conversation with either end.</summary>
    public static PreferenceRow To(RowFields row, IReadOnlyList<ConversationTurn> prompt, IReadOnlyList<ConversationTurn> chosen, IReadOnlyList<ConversationTurn> rejected) =>
        new(Conversation(row, prompt, chosen), Conversation(row, prompt, rejected));

    private static DataRow Conversation(RowFields row, IReadOnlyList<ConversationTurn> prompt, IReadOnlyList<ConversationTurn> answer) => answer[^1].Content.Length == 0
        ? new UnusableRow(row.Place, "an answer is empty")
        : new ConversationRow(row.Place, [.. prompt, .. answer], prompt.Count);
}
