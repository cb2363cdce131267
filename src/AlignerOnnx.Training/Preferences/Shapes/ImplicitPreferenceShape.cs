using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"chosen", "rejected"}</c>, TRL's shape with an implicit prompt: two texts or two lists of messages; what both begin with is the prompt.</summary>
internal sealed class ImplicitPreferenceShape : IPreferenceShape
{
    private const string Same = "both answers are the same";

    public string Name => "implicit-preference";

    public string Fields => "\"chosen\" and \"rejected\" with the prompt at their beginning";

    public bool Fits(JsonElement row) => true;

    public PreferenceRow Read(RowFields row)
    {
        (_, JsonElement chosen) = row.Require("chosen");
        (_, JsonElement rejected) = row.Require("rejected");
        return chosen.ValueKind == JsonValueKind.String && rejected.ValueKind == JsonValueKind.String
            ? Split(row, chosen.GetString()!, rejected.GetString()!)
            : Split(row, Answers.Read(row, "chosen"), Answers.Read(row, "rejected"));
    }

    /// <summary>Two conversations, up to their first different turn.</summary>
    public static PreferenceRow Split(RowFields row, IReadOnlyList<ConversationTurn> chosen, IReadOnlyList<ConversationTurn> rejected)
    {
        int common = chosen.Zip(rejected).TakeWhile(pair => pair.First == pair.Second).Count();
        return common == chosen.Count || common == rejected.Count
            ? new PreferenceRow(new UnusableRow(row.Place, Same), new UnusableRow(row.Place, Same))
            : Answers.To(row, [.. chosen.Take(common)], [.. chosen.Skip(common)], [.. rejected.Skip(common)]);
    }

    /// <summary>Two texts, up to their first different word: a word that begins alike is not torn apart, and the space before a word belongs to it.</summary>
    private static PreferenceRow Split(RowFields row, string chosen, string rejected)
    {
        int common = chosen.AsSpan().CommonPrefixLength(rejected);
        if (common == chosen.Length && common == rejected.Length)
        {
            return new PreferenceRow(new UnusableRow(row.Place, Same), new UnusableRow(row.Place, Same));
        }
        while (common > 0 && !char.IsWhiteSpace(chosen[common - 1]))
        {
            common--;
        }
        while (common > 0 && chosen[common - 1] == ' ')
        {
            common--;
        }
        return new PreferenceRow(TextPreference.Row(row.Place, chosen[..common], chosen[common..]), TextPreference.Row(row.Place, chosen[..common], rejected[common..]));
    }
}
