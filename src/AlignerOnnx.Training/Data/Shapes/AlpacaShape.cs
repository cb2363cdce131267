using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"instruction", "input": optional, "output"}</c>, Stanford Alpaca's shape, with LLaMA-Factory's <c>system</c> and <c>history</c> (a list of
/// [question, answer]). It becomes a conversation, or the text of Alpaca's own template (<see cref="PromptStyle.Alpaca"/>).</summary>
internal sealed class AlpacaShape : IRowShape
{
    public string Name => "alpaca";

    public string Fields => "\"instruction\", \"output\" and perhaps \"input\"";

    public bool Fits(JsonElement row) => row.TryGetProperty("instruction", out _) && (row.TryGetProperty("output", out _) || row.TryGetProperty("response", out _));

    public DataRow Read(RowFields row)
    {
        string output = row.Text("output", "response");
        if (output.Length == 0)
        {
            return new UnusableRow(row.Place, "the answer is empty");
        }
        return row.Options.PromptStyle == PromptStyle.Alpaca
            ? new TextRow(row.Place, AlpacaTemplate.Prompt(row.Text("instruction"), row.OptionalText("input")), output)
            : MessagesShape.Conversation(row.Place, [.. PromptTurns(row), Message(ConversationTurn.Assistant, output)]);
    }

    /// <summary>The conversation that a row puts to the model.</summary>
    public static IEnumerable<Message> PromptTurns(RowFields row)
    {
        string instruction = row.Text("instruction");
        string input = row.OptionalText("input");
        return [.. System(row), .. History(row), Message("user", input.Length == 0 ? instruction : $"{instruction}\n{input}")];
    }

    private static IEnumerable<Message> System(RowFields row) => row.OptionalText("system") is { Length: > 0 } system ? [Message("system", system)] : [];

    private static IEnumerable<Message> History(RowFields row)
    {
        if (row.Find("history") is not JsonElement history)
        {
            yield break;
        }
        if (history.ValueKind != JsonValueKind.Array)
        {
            throw Refuse(row, history);
        }
        foreach (JsonElement pair in history.EnumerateArray())
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2 || pair.EnumerateArray().Any(text => text.ValueKind != JsonValueKind.String))
            {
                throw Refuse(row, pair);
            }
            yield return Message("user", pair[0].GetString()!);
            yield return Message(ConversationTurn.Assistant, pair[1].GetString()!);
        }
    }

    private static AlignerOnnx.Graph.DataRefusedException Refuse(RowFields row, JsonElement found) =>
        row.Where.Refuse("\"history\" cannot be read", RowFields.Short(found), "a list of [question, answer]", "repair the row");

    private static Message Message(string role, string text) => new(new ConversationTurn(role, text), 1);
}
