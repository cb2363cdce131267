using System.Text.Json;

namespace AlignerOnnx.Serving;

/// <summary>The body of a chat completion request, field by field as in the OpenAI API.</summary>
internal sealed record ChatCompletionRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<RequestMessage>? Messages { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    /// <summary>Not OpenAI's, but vLLM's and others'.</summary>
    public int? TopK { get; init; }

    public int? MaxTokens { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public long? Seed { get; init; }

    /// <summary>A string or a list of strings.</summary>
    public JsonElement? Stop { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public int? N { get; init; }

    public double? PresencePenalty { get; init; }

    public double? FrequencyPenalty { get; init; }

    public bool? Logprobs { get; init; }

    public JsonElement? LogitBias { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? Functions { get; init; }

    public JsonElement? Audio { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }
}

internal sealed record RequestMessage
{
    public string? Role { get; init; }

    /// <summary>A string, or a list of parts of which the text ones are taken.</summary>
    public JsonElement? Content { get; init; }
}

internal sealed record StreamOptions
{
    public bool? IncludeUsage { get; init; }
}

internal sealed record ResponseFormat
{
    public string? Type { get; init; }
}
