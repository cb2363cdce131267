using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Answers POST /v1/completions: prompts as they are, without a chat template.</summary>
internal sealed class CompletionsEndpoint(ServerParts parts, ServingOptions options, GenerationRunner runner)
{
    private const int MostLogprobs = 5;

    private readonly SamplingTranslator _sampling = new(options, parts.Chat.VocabularySize);

    internal Task Handle(HttpContext context) => runner.RunAsync(context, cancellation => PlanAsync(context.Request, cancellation), "prompt");

    private async Task<GenerationPlan> PlanAsync(HttpRequest http, CancellationToken cancellation)
    {
        CompletionRequest body = await RequestReader.ReadAsync(http, ApiJson.Default.CompletionRequest, cancellation);
        ModelLease model = parts.Models.Acquire(body.Model, body.Adapters);
        try
        {
            if (body.Logprobs is < 0 or > MostLogprobs)
            {
                throw ApiException.Invalid($"logprobs is {body.Logprobs}; expected 0 to {MostLogprobs}.", "logprobs");
            }
            // OpenAI's default of this older API.
            GenerationRequest request = _sampling.Translate(body with { MaxTokens = body.MaxTokens ?? Math.Min(16, options.MaxTokens) }, null, body.Logprobs, model.EngineKey);
            int[][] prompts = [.. Prompts(body.Prompt)];
            int choices = _sampling.Choices(body, prompts.Length);
            IReadOnlyList<GenerationRequest> requests = PromptedRequests.Of(request, prompts, choices);
            return new GenerationPlan(model, requests, prompts.Sum(prompt => prompt.Length), new CompletionFormat(model, parts.Chat), body.Stream is true, body.StreamOptions?.IncludeUsage is true, RequestedForm.ParamOf(body) ?? "prompt");
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private IEnumerable<int[]> Prompts(JsonElement? prompt) => prompt switch
    {
        { ValueKind: JsonValueKind.String } text => [Encode(text)],
        { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() > 0 => list[0].ValueKind == JsonValueKind.Number ? [Numbers(list)] : [.. RequireFew(list).Select(Prompt)],
        _ => throw NotAPrompt(),
    };

    private int[] Prompt(JsonElement prompt) => prompt.ValueKind switch
    {
        JsonValueKind.String => Encode(prompt),
        JsonValueKind.Array => Numbers(prompt),
        _ => throw NotAPrompt(),
    };

    private JsonElement[] RequireFew(JsonElement list) => list.GetArrayLength() <= options.MaxChoices
        ? [.. list.EnumerateArray()]
        : throw ApiException.Invalid($"The request has {list.GetArrayLength()} prompts; this server gives 1 to {options.MaxChoices} answers to a request.", "prompt");

    private int[] Encode(JsonElement text) => parts.Chat.Encode(text.GetString()!) is { Length: > 0 } ids ? ids : throw NotAPrompt();

    private int[] Numbers(JsonElement list)
    {
        int[] ids = [.. list.EnumerateArray().Select(each => each.ValueKind == JsonValueKind.Number && each.TryGetInt32(out int id) ? id : throw NotAPrompt())];
        return ids is [] ? throw NotAPrompt()
            : ids.All(id => id >= 0 && id < parts.Chat.VocabularySize) ? ids
            : throw ApiException.Invalid($"The prompt holds a token number outside the vocabulary; expected 0 to {parts.Chat.VocabularySize - 1}.", "prompt");
    }

    private static ApiException NotAPrompt() => ApiException.Invalid("prompt must be a text of at least one token, a list of texts, a list of token numbers, or a list of such lists.", "prompt");
}
