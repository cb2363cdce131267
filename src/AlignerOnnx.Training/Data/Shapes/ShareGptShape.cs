using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}, ...], "system": optional}</c>, also with <c>role</c> and <c>content</c>,
/// and <c>messages</c> in ShareGPT's words. Such files are cut from logs: what follows the last answer is left away, and rows without an answer are left out.</summary>
internal sealed class ShareGptShape : IRowShape
{
    private static readonly string[] Lists = ["conversations", "conversation", "messages"];

    public string Name => "sharegpt";

    public string Fields => "\"conversations\" (a list of \"from\" and \"value\")";

    public bool Fits(JsonElement row) => Lists.Any(name => row.TryGetProperty(name, out _));

    public DataRow Read(RowFields row)
    {
        (string name, JsonElement list) = row.FindFirst(Lists);
        IEnumerable<Message> turns = new MessageReader(row.Where).ReadTurns(name, list);
        string system = row.OptionalText("system");
        return MessagesShape.Conversation(row.Place, system.Length == 0 ? [.. turns] : [new Message(new ConversationTurn("system", system), 1), .. turns]);
    }
}
