using System.Text.Json;
using System.Text.Json.Nodes;

namespace AlignerOnnx.Serving;

/// <summary>Options as flat names and values, for checkpoints to compare.</summary>
internal static class RunOptions
{
    private static readonly JsonSerializerOptions Names = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Every property of the given options, those of nested options as <c>outer.inner</c>.</summary>
    public static IReadOnlyDictionary<string, string> Of(params IReadOnlyList<object> options)
    {
        SortedDictionary<string, string> flat = new(StringComparer.Ordinal);
        foreach (object option in options)
        {
            Add(flat, "", JsonSerializer.SerializeToNode(option, Names)!.AsObject());
        }
        return flat;
    }

    private static void Add(SortedDictionary<string, string> flat, string prefix, JsonObject options)
    {
        foreach ((string name, JsonNode? value) in options)
        {
            if (value is JsonObject nested)
            {
                Add(flat, $"{prefix}{name}.", nested);
            }
            else
            {
                flat[prefix + name] = value?.ToJsonString() ?? "none";
            }
        }
    }
}
