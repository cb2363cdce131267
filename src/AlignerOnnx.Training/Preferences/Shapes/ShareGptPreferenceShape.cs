using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"conversations": [...], "chosen": {"from": "gpt", "value"}, "rejected": {...}, "system": optional}</c>, LLaMA-Factory's ranked ShareGPT; also with <c>messages</c>.</summary>
internal sealed class ShareGptPreferenceShape : IPreferenceShape
{
    private static readonly string[] Lists = ["conversations", "conversation", "messages"];

    public string Name => "sharegpt-preference";

    public string Fields => "\"conversations\", \"chosen\" and \"rejected\"";

    public bool Fits(JsonElement row) => Lists.Any(name => row.TryGetProperty(name, out _)) && !row.TryGetProperty("prompt", out _);

    public PreferenceRow Read(RowFields row)
    {
        (string name, JsonElement list) = row.FindFirst(Lists);
        IEnumerable<ConversationTurn> turns = new MessageReader(row.Where).ReadTurns(name, list).Select(message => message.Turn);
        string system = row.OptionalText("system");
        return Answers.To(row, system.Length == 0 ? [.. turns] : [new ConversationTurn("system", system), .. turns], Answers.Read(row, "chosen"), Answers.Read(row, "rejected"));
    }
}
