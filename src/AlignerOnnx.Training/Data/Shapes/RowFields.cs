using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>The fields of one row, read with their place in every refusal.</summary>
internal sealed class RowFields(DataPlace place, JsonElement row, DataReadingOptions options)
{
    public DataPlace Where => place;

    public string Place => place.Place;

    public DataReadingOptions Options => options;

    public JsonElement? Find(string name) => row.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>The first of some fields that the row has.</summary>
    public (string Name, JsonElement Value) FindFirst(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Find(name) is JsonElement value)
            {
                return (name, value);
            }
        }
        return Require(names[0]);
    }

    public (string Name, JsonElement Value) Require(string name) =>
        (name, Find(name) ?? throw place.Refuse($"\"{name}\" is missing", $"the fields {RowShapes.NamesOf(row)}", $"\"{name}\"", $"add \"{name}\""));

    public string Text(params ReadOnlySpan<string> names)
    {
        (string name, JsonElement value) = FindFirst(names);
        return TextOf(name, value);
    }

    /// <summary>The text of a field; empty where the row has none.</summary>
    public string OptionalText(string name) => Find(name) is JsonElement value ? TextOf(name, value) : "";

    private string TextOf(string name, JsonElement value) => value.ValueKind == JsonValueKind.String
        ? value.GetString()!
        : throw place.Refuse($"\"{name}\" is not text", Short(value), "a string", "repair the row");

    /// <summary>The beginning of a value, for messages.</summary>
    public static string Short(JsonElement element)
    {
        string text = element.GetRawText();
        return text.Length <= 80 ? text : $"{text.AsSpan(0, 80)}...";
    }
}
