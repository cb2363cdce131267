using System.Text.Json;
using System.Text.Json.Nodes;

namespace AlignerOnnx.GenAI;

/// <summary>A function that a model may call.</summary>
/// <param name="Name">What calls say for it.</param>
/// <param name="Description">What it does, for the model to read; null for nothing said.</param>
/// <param name="Parameters">The JSON schema of its arguments, an object; null for a function that takes none.</param>
public sealed record CallableFunction(string Name, string? Description = null, JsonElement? Parameters = null)
{
    /// <summary>The function in OpenAI's form.</summary>
    internal JsonObject ToJson()
    {
        JsonObject function = new() { ["name"] = Name };
        if (!string.IsNullOrEmpty(Description))
        {
            function["description"] = Description;
        }
        function["parameters"] = Schema();
        return function;
    }

    /// <summary>The schema of its arguments.</summary>
    internal JsonObject Schema() => Parameters is { ValueKind: JsonValueKind.Object } parameters
        ? JsonObject.Create(parameters)!
        : new JsonObject { ["type"] = "object", ["properties"] = new JsonObject(), ["additionalProperties"] = false };
}
