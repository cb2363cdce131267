using System.Text.Json;
using System.Text.Json.Serialization;

namespace AlignerOnnx.Serving;

/// <summary>What chat completions and completions share: how to generate.</summary>
internal abstract record GenerationBody : OpenObject
{
    public string? Model { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    /// <summary>Not OpenAI's, but vLLM's and others'.</summary>
    public int? TopK { get; init; }

    public int? MaxTokens { get; init; }

    public long? Seed { get; init; }

    /// <summary>A string or a list of strings.</summary>
    public JsonElement? Stop { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public int? N { get; init; }

    public double? PresencePenalty { get; init; }

    public double? FrequencyPenalty { get; init; }

    /// <summary>Biases by token number, as text.</summary>
    public Dictionary<string, double>? LogitBias { get; init; }

    /// <summary>Adapters to use together, beside the base model's name in <see cref="Model"/>.</summary>
    public IReadOnlyList<AdapterPart>? Adapters { get; init; }

    /// <summary>vLLM's way to ask for a form: json, regex or grammar.</summary>
    public StructuredOutputs? StructuredOutputs { get; init; }

    public ResponseFormat? ResponseFormat { get; init; }
}

/// <summary>The body of a chat completion request, field by field as in the OpenAI API.</summary>
internal sealed record ChatCompletionRequest : GenerationBody
{
    public IReadOnlyList<RequestMessage>? Messages { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    public IReadOnlyList<ToolDefinition>? Tools { get; init; }

    /// <summary><c>auto</c>, <c>required</c>, <c>none</c>, or an object that names a function.</summary>
    public JsonElement? ToolChoice { get; init; }

    /// <summary>Whether an answer may make several calls at once; true by default.</summary>
    public bool? ParallelToolCalls { get; init; }
}

internal sealed record ToolDefinition : OpenObject
{
    public string? Type { get; init; }

    public ToolFunction? Function { get; init; }
}

internal sealed record ToolFunction : OpenObject
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public JsonElement? Parameters { get; init; }

    /// <summary>Calls follow the schema of the parameters wherever answers are held to a form, strict or not.</summary>
    public bool? Strict { get; init; }
}

/// <summary>The body of a completion request.</summary>
internal sealed record CompletionRequest : GenerationBody
{
    /// <summary>A string, a list of strings, a list of token numbers, or a list of such lists.</summary>
    public JsonElement? Prompt { get; init; }

    public int? Logprobs { get; init; }
}

internal sealed record RequestMessage : OpenObject
{
    public string? Role { get; init; }

    /// <summary>A string, or a list of text parts.</summary>
    public JsonElement? Content { get; init; }

    /// <summary>Functions that the assistant called.</summary>
    public IReadOnlyList<RequestToolCall>? ToolCalls { get; init; }

    /// <summary>The call whose result a message of the role tool is.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>Who speaks, among several of a role; of a message of the role tool: the function that was called.</summary>
    public string? Name { get; init; }
}

internal sealed record RequestToolCall : OpenObject
{
    /// <summary>Its place among the calls, which answers have and clients send back.</summary>
    public int? Index { get; init; }

    public string? Id { get; init; }

    public string? Type { get; init; }

    public RequestToolFunction? Function { get; init; }
}

internal sealed record RequestToolFunction : OpenObject
{
    public string? Name { get; init; }

    /// <summary>JSON as text.</summary>
    public string? Arguments { get; init; }
}

/// <summary>An adapter in a blend.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record AdapterPart
{
    /// <summary>NAME, NAME@VERSION or NAME@ALIAS.</summary>
    public string? Id { get; init; }

    /// <summary>1 (the default) is the adapter as it was trained, 0 none of it.</summary>
    public double? Scale { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record StreamOptions
{
    public bool? IncludeUsage { get; init; }
}

internal sealed record ResponseFormat : OpenObject
{
    public string? Type { get; init; }

    public JsonSchemaFormat? JsonSchema { get; init; }
}

internal sealed record JsonSchemaFormat : OpenObject
{
    /// <summary>For the record; the model does not see it.</summary>
    public string? Name { get; init; }

    /// <summary>For the record; the model does not see it.</summary>
    public string? Description { get; init; }

    public JsonElement? Schema { get; init; }

    /// <summary>Answers follow the schema either way.</summary>
    public bool? Strict { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record StructuredOutputs
{
    public JsonElement? Json { get; init; }

    public string? Regex { get; init; }

    public string? Grammar { get; init; }
}
