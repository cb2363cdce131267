using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}</c>, the shape of OpenAI's preference fine-tuning.</summary>
internal sealed class OpenAIPreferenceShape : IPreferenceShape
{
    public string Name => "openai-preference";

    public string Fields => "\"input\" (an object with \"messages\"), \"preferred_output\" and \"non_preferred_output\"";

    public bool Fits(JsonElement row) => row.TryGetProperty("preferred_output", out _);

    public PreferenceRow Read(RowFields row)
    {
        (string name, JsonElement input) = row.Require("input");
        if (input.ValueKind != JsonValueKind.Object || !input.TryGetProperty("messages", out JsonElement messages))
        {
            throw row.Where.Refuse("\"input\" has no messages", RowFields.Short(input), "{\"messages\": [...]}", "repair the row");
        }
        return Answers.To(row, [.. new MessageReader(row.Where).ReadTurns($"{name}.messages", messages).Select(message => message.Turn)], Answers.Read(row, "preferred_output"), Answers.Read(row, "non_preferred_output"));
    }
}
