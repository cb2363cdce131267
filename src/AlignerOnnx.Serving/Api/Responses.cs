using System.Text.Json.Serialization;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

internal sealed record ChatCompletion(string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<Choice> Choices, Usage Usage);

internal sealed record Choice(int Index, AnswerMessage Message, ChatLogprobs? Logprobs, string FinishReason);

internal sealed record AnswerMessage(string Role, string? Content)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

/// <summary>A call of a function; the arguments are JSON as text.</summary>
internal sealed record ToolCall(int Index, string Id, string Type, ToolCallFunction Function)
{
    internal static IReadOnlyList<ToolCall> Of(IReadOnlyList<FunctionCall> calls) =>
        [.. calls.Select((call, index) => new ToolCall(index, call.Id, "function", new ToolCallFunction(call.Name, call.Arguments)))];
}

internal sealed record ToolCallFunction(string Name, string Arguments);

/// <summary>One event of a streamed answer.</summary>
internal sealed record ChatCompletionChunk(string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<ChunkChoice> Choices)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Usage? Usage { get; init; }
}

internal sealed record ChunkChoice(int Index, Delta Delta, string? FinishReason)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ChatLogprobs? Logprobs { get; init; }
}

internal sealed record Delta
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Content { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

internal sealed record ChatLogprobs(IReadOnlyList<TokenLikelihood> Content);

internal sealed record TokenLikelihood(string Token, float Logprob, IReadOnlyList<int> Bytes, IReadOnlyList<TokenLikelihood>? TopLogprobs);

/// <summary>The answer to a completion request; as an event of a stream, one choice with a piece of text.</summary>
internal sealed record Completion(string Id, string Object, long Created, string Model, string SystemFingerprint, IReadOnlyList<CompletionChoice> Choices)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Usage? Usage { get; init; }
}

internal sealed record CompletionChoice(int Index, string Text, CompletionLogprobs? Logprobs, string? FinishReason);

internal sealed record CompletionLogprobs(
    IReadOnlyList<string> Tokens, IReadOnlyList<float> TokenLogprobs, IReadOnlyList<IReadOnlyDictionary<string, float>> TopLogprobs, IReadOnlyList<int> TextOffset);

internal sealed record Usage(int PromptTokens, int CompletionTokens)
{
    public int TotalTokens => PromptTokens + CompletionTokens;
}

internal sealed record ModelList(string Object, IReadOnlyList<ModelCard> Data);

/// <summary>A model as vLLM lists it: an adapter's parent is its base model.</summary>
internal sealed record ModelCard(string Id, string Object, long Created, string OwnedBy, string Root, string? Parent, int MaxModelLen);

internal sealed record ErrorBody(ErrorDetail Error);

internal sealed record ErrorDetail(string Message, string Type, string? Param, string? Code);

internal sealed record Health(string Status);
