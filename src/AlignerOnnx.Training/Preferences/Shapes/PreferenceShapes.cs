using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>Every shape of preference rows that is known, the most telling fields first.</summary>
internal static class PreferenceShapes
{
    private static readonly IPreferenceShape[] All =
    [
        new OpenAIPreferenceShape(), new SafetyPreferenceShape(), new ShareGptPreferenceShape(), new InstructionPreferenceShape(), new PromptedPreferenceShape(), new ImplicitPreferenceShape(),
    ];

    private static string Known => string.Join("; or ", All.Select(shape => shape.Fields));

    /// <summary>Reads one row.</summary>
    public static PreferenceRow Read(DataPlace place, JsonElement row, DataReadingOptions options)
    {
        if (row.ValueKind != JsonValueKind.Object)
        {
            throw place.Refuse("the row is not an object", row.ValueKind.ToString(), "a JSON object", "put one object on each line");
        }
        if (!RowShapes.IsPreference(row))
        {
            throw place.Refuse("the row has no answers to choose from", RowShapes.NamesOf(row), Known, "give preference rows, or train supervised rows with aligner train sft");
        }
        IPreferenceShape shape = Array.Find(All, each => each.Fits(row))!;
        return shape.Read(new RowFields(place, row, options)) with { Shape = shape.Name };
    }
}
