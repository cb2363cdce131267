using System.Globalization;
using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Turns how an API request wants to be answered into a generation request, or says what about it cannot be done. Nothing asked for is left out silently.</summary>
internal sealed class SamplingTranslator(ServingOptions options, int vocabularySize)
{
    private const int MostStops = 16;
    private const int LongestStop = 1024;
    private const int MostBiases = 1024;

    // Said for the record, for billing or as a hint; they ask for nothing of the answer.
    private static readonly HashSet<string> Harmless = new(StringComparer.Ordinal)
    {
        "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier",
    };

    // Values that ask for nothing of these fields.
    private static readonly Dictionary<string, string> Neutral = new(StringComparer.Ordinal)
    {
        ["store"] = "false", ["echo"] = "false", ["best_of"] = "1", ["modalities"] = "[\"text\"]", ["function_call"] = "\"none\"",
    };

    internal GenerationRequest Translate(GenerationBody body, int? maxCompletionTokens, int? topLogprobs, string? engineKey)
    {
        body.RefuseOthers(isHarmless: (name, value) => Harmless.Contains(name) || (Neutral.TryGetValue(name, out string? neutral) && neutral == value.GetRawText()));
        if (body is { StreamOptions: not null, Stream: not true })
        {
            throw ApiException.Invalid("stream_options goes with stream: true only.", "stream_options");
        }
        return new GenerationRequest
        {
            PromptIds = [],
            Adapter = engineKey,
            MaxNewTokens = MaxNewTokens(body, maxCompletionTokens),
            Temperature = (float?)InRange(body.Temperature, 0, 2, "temperature"),
            TopP = TopP(body.TopP),
            TopK = body.TopK is null or >= 1 ? body.TopK : throw ApiException.Invalid("top_k must be at least 1.", "top_k"),
            Seed = body.Seed is long seed ? (int)(seed & int.MaxValue) : null,
            StopStrings = Stops(body.Stop),
            LogitBias = Biases(body.LogitBias),
            PresencePenalty = (float)(InRange(body.PresencePenalty, -2, 2, "presence_penalty") ?? 0),
            FrequencyPenalty = (float)(InRange(body.FrequencyPenalty, -2, 2, "frequency_penalty") ?? 0),
            TopLogprobs = topLogprobs,
            Guidance = RequestedForm.Of(body),
        };
    }

    /// <summary>How many answers to each prompt.</summary>
    internal int Choices(GenerationBody body, int prompts)
    {
        int n = body.N ?? 1;
        return n >= 1 && (long)n * prompts <= options.MaxChoices
            ? n
            : throw ApiException.Invalid($"n is {n}{(prompts > 1 ? $" for {prompts} prompts" : "")}; this server gives 1 to {options.MaxChoices} answers to a request.", "n");
    }

    private int MaxNewTokens(GenerationBody body, int? maxCompletionTokens)
    {
        string name = maxCompletionTokens is null ? "max_tokens" : "max_completion_tokens";
        int asked = maxCompletionTokens ?? body.MaxTokens ?? options.MaxTokens;
        return asked >= 1 && asked <= options.MaxTokens ? asked : throw ApiException.Invalid($"{name} is {asked}; this server allows 1 to {options.MaxTokens}.", name);
    }

    private static float? TopP(double? value) =>
        value is not 0 ? (float?)InRange(value, 0, 1, "top_p") : throw ApiException.Invalid("top_p is 0; expected above 0, at most 1.", "top_p");

    private static double? InRange(double? value, double least, double most, string name) =>
        value is null || (value >= least && value <= most) ? value : throw ApiException.Invalid($"{name} is {value}; expected {least} to {most}.", name);

    private Dictionary<int, float> Biases(Dictionary<string, double>? asked)
    {
        Dictionary<int, float> biases = [];
        if (asked is { Count: > MostBiases })
        {
            throw ApiException.Invalid($"logit_bias has {asked.Count} entries; at most {MostBiases} are allowed.", "logit_bias");
        }
        foreach ((string token, double bias) in asked ?? [])
        {
            bool valid = int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id < vocabularySize && bias is >= -100 and <= 100;
            biases[id] = valid ? (float)bias : throw ApiException.Invalid($"logit_bias has {token}: {bias}; expected token numbers of 0 to {vocabularySize - 1} with biases of -100 to 100.", "logit_bias");
        }
        return biases;
    }

    private static string[] Stops(JsonElement? stop)
    {
        string[] stops = stop switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } one => [one.GetString()!],
            { ValueKind: JsonValueKind.Array } many when many.EnumerateArray().All(s => s.ValueKind == JsonValueKind.String) =>
                [.. many.EnumerateArray().Select(s => s.GetString()!)],
            _ => throw ApiException.Invalid("stop must be a string or a list of strings.", "stop"),
        };
        return stops.Length <= MostStops && stops.All(s => s.Length is > 0 and <= LongestStop)
            ? stops
            : throw ApiException.Invalid($"stop may hold up to {MostStops} strings of 1 to {LongestStop} characters.", "stop");
    }
}
