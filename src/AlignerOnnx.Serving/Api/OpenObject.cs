using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>An object of a request in which clients may leave fields empty that this server does not know, as they do in answers that they send back; what such a field asks for is refused.</summary>
internal abstract record OpenObject
{
    /// <summary>Everything that has no field here.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    /// <summary>Refuses the first unknown field that asks for anything.</summary>
    /// <param name="path">Where the object stands in the request; null for the whole request.</param>
    /// <param name="isHarmless">Which unknown fields ask for nothing in spite of their value; none where it is null.</param>
    /// <exception cref="ApiException">There is one.</exception>
    internal void RefuseOthers(string? path = null, Func<string, JsonElement, bool>? isHarmless = null) => Refuse(Others ?? [], path, isHarmless);

    /// <summary>Refuses the first unknown field that asks for anything, of an object that is kept as JSON.</summary>
    internal static void RefuseOthers(JsonElement given, string path, params IReadOnlyList<string> known) =>
        Refuse(given.EnumerateObject().Where(field => !known.Contains(field.Name)).Select(field => KeyValuePair.Create(field.Name, field.Value)), path);

    /// <summary>Whether a value asks for nothing.</summary>
    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.String => value.ValueEquals(""),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        _ => false,
    };

    private static void Refuse(IEnumerable<KeyValuePair<string, JsonElement>> fields, string? path, Func<string, JsonElement, bool>? isHarmless = null)
    {
        foreach ((string name, JsonElement value) in fields)
        {
            if (!IsEmpty(value) && isHarmless?.Invoke(name, value) is not true)
            {
                throw ApiException.Unsupported(path is null ? name : $"{path}.{name}");
            }
        }
    }
}
