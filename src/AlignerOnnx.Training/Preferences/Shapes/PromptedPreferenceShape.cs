using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"prompt", "chosen", "rejected"}</c>, TRL's shape: three texts (no chat template) or lists of messages. With a text as prompt and messages as answers, the prompt is the user's
/// message, unless the answers hold whole conversations.</summary>
internal sealed class PromptedPreferenceShape : IPreferenceShape
{
    public string Name => "preference";

    public string Fields => "\"prompt\", \"chosen\" and \"rejected\" (texts or lists of messages)";

    public bool Fits(JsonElement row) => row.TryGetProperty("prompt", out JsonElement prompt) && prompt.ValueKind != JsonValueKind.Null;

    public PreferenceRow Read(RowFields row)
    {
        (_, JsonElement prompt) = row.Require("prompt");
        (_, JsonElement chosen) = row.Require("chosen");
        (_, JsonElement rejected) = row.Require("rejected");
        if (prompt.ValueKind == JsonValueKind.String && chosen.ValueKind == JsonValueKind.String && rejected.ValueKind == JsonValueKind.String)
        {
            return new PreferenceRow(TextPreference.Row(row.Place, prompt.GetString()!, chosen.GetString()!), TextPreference.Row(row.Place, prompt.GetString()!, rejected.GetString()!));
        }
        IReadOnlyList<ConversationTurn> good = Answers.Read(row, "chosen");
        IReadOnlyList<ConversationTurn> bad = Answers.Read(row, "rejected");
        if (prompt.ValueKind == JsonValueKind.String)
        {
            return good.Count > 1 && bad.Count > 1 ? ImplicitPreferenceShape.Split(row, good, bad) : Answers.To(row, [new ConversationTurn("user", prompt.GetString()!)], good, bad);
        }
        return Answers.To(row, [.. new MessageReader(row.Where).ReadTurns("prompt", prompt).Select(message => message.Turn)], good, bad);
    }
}
