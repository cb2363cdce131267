using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>JSON for models to read: on one line, letters as themselves.</summary>
internal static class ModelJson
{
    private static readonly JsonSerializerOptions s_options = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    internal static string Write(object? value) => JsonSerializer.Serialize(value, s_options.GetTypeInfo(typeof(object)));
}
