using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>Every shape of supervised rows that is known, the most telling fields first.</summary>
internal static class RowShapes
{
    private static readonly IRowShape[] All =
    [
        new TokensShape(), new MessagesShape(), new ShareGptShape(), new PromptCompletionShape(), new AlpacaShape(), new QuestionAnswerShape(), new PlainTextShape(),
    ];

    private static string Known => string.Join("; or ", All.Select(shape => shape.Fields));

    /// <summary>Reads one row.</summary>
    public static DataRow Read(DataPlace place, JsonElement row, DataReadingOptions options)
    {
        if (row.ValueKind != JsonValueKind.Object)
        {
            throw place.Refuse("the row is not an object", row.ValueKind.ToString(), "a JSON object", "put one object on each line");
        }
        if (IsPreference(row))
        {
            throw place.Refuse("the row has no known shape of supervised data", NamesOf(row), Known, "this is a preference row: train it with aligner train dpo, or give supervised rows");
        }
        IRowShape shape = Array.Find(All, each => each.Fits(row))
            ?? throw place.Refuse("the row has no known shape", NamesOf(row), Known, KnowledgeFile.Is(row) ? "this is a question of knowledge: measure it with aligner eval --knowledge, or rename the fields to one of these shapes" : "rename the fields to one of these shapes");
        return shape.Read(new RowFields(place, row, options)) with { Shape = shape.Name };
    }

    /// <summary>The first names of a row's fields, for messages.</summary>
    public static string NamesOf(JsonElement row)
    {
        string names = string.Join(", ", row.EnumerateObject().Take(8).Select(property => $"\"{property.Name}\""));
        return names.Length == 0 ? "no field" : names;
    }

    /// <summary>A row of two answers to choose from must not be learnt as if its prompt were an answer.</summary>
    public static bool IsPreference(JsonElement row) => row.ValueKind == JsonValueKind.Object
        && (row.TryGetProperty("chosen", out _) || row.TryGetProperty("rejected", out _) || row.TryGetProperty("preferred_output", out _) || SafetyPreferenceShape.Is(row));
}
