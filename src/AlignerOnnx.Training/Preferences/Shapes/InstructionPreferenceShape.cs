using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"instruction", "input": optional, "chosen", "rejected"}</c>, LLaMA-Factory's ranked Alpaca, with its <c>system</c> and <c>history</c>.</summary>
internal sealed class InstructionPreferenceShape : IPreferenceShape
{
    public string Name => "alpaca-preference";

    public string Fields => "\"instruction\", \"chosen\", \"rejected\" and perhaps \"input\"";

    public bool Fits(JsonElement row) => row.TryGetProperty("instruction", out _);

    public PreferenceRow Read(RowFields row)
    {
        IReadOnlyList<ConversationTurn> chosen = Answers.Read(row, "chosen");
        IReadOnlyList<ConversationTurn> rejected = Answers.Read(row, "rejected");
        if (row.Options.PromptStyle != PromptStyle.Alpaca)
        {
            return Answers.To(row, [.. AlpacaShape.PromptTurns(row).Select(message => message.Turn)], chosen, rejected);
        }
        string prompt = AlpacaTemplate.Prompt(row.Text("instruction"), row.OptionalText("input"));
        return new PreferenceRow(TextPreference.Row(row.Place, prompt, chosen[^1].Content), TextPreference.Row(row.Place, prompt, rejected[^1].Content));
    }
}
