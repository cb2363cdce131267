using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>
/// <c>{"prompt", "response_0", "response_1", "safer_response_id"}</c>, PKU-SafeRLHF's shape: the safer answer is the preferred one. Where the row says of both answers that they are not safe, it is left out, as the
/// method's authors did (scripts/prepare_beaver_safe.py).
/// </summary>
internal sealed class SafetyPreferenceShape : IPreferenceShape
{
    private const string Safer = "safer_response_id";

    public string Name => "safety-preference";

    public string Fields => $"\"prompt\", \"response_0\", \"response_1\" and \"{Safer}\" (0 or 1)";

    public static bool Is(JsonElement row) => row.TryGetProperty(Safer, out _);

    public bool Fits(JsonElement row) => Is(row);

    public PreferenceRow Read(RowFields row)
    {
        ConversationTurn[] prompt = [new("user", row.Text("prompt"))];
        string[] answers = [row.Text("response_0"), row.Text("response_1")];
        int safer = SaferOf(row);
        if (IsUnsafe(row, 0) && IsUnsafe(row, 1))
        {
            UnusableRow unusable = new(row.Place, "neither answer is safe");
            return new PreferenceRow(unusable, unusable);
        }
        return Answers.To(row, prompt, Turns(answers[safer]), Turns(answers[1 - safer]));
    }

    private static int SaferOf(RowFields row)
    {
        (string name, JsonElement value) = row.Require(Safer);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int safer) && safer is 0 or 1
            ? safer
            : throw row.Where.Refuse($"\"{name}\" names no answer", RowFields.Short(value), "0 or 1", "repair the row");
    }

    private static bool IsUnsafe(RowFields row, int answer) => row.Find($"is_response_{answer}_safe") is { ValueKind: JsonValueKind.False };

    private static ConversationTurn[] Turns(string answer) => [new(ConversationTurn.Assistant, answer)];
}
