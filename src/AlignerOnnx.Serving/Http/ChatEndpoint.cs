using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Answers POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(ServerParts parts, ServingOptions options, GenerationRunner runner)
{
    private const int MostTopLogprobs = 20;

    private readonly SamplingTranslator _sampling = new(options, parts.Chat.VocabularySize);

    internal Task Handle(HttpContext context) => runner.RunAsync(context, cancellation => PlanAsync(context.Request, cancellation), "messages");

    private async Task<GenerationPlan> PlanAsync(HttpRequest http, CancellationToken cancellation)
    {
        ChatCompletionRequest body = await RequestReader.ReadAsync(http, ApiJson.Default.ChatCompletionRequest, cancellation);
        ModelLease model = parts.Models.Acquire(body.Model, body.Adapters);
        try
        {
            GenerationRequest request = _sampling.Translate(body, body.MaxCompletionTokens, TopLogprobs(body), model.EngineKey);
            int choices = _sampling.Choices(body, prompts: 1);
            CallableFunctions functions = RequestedFunctions.Of(body);
            Guidance? form = FunctionCallForm.Of(functions, request.Guidance, parts.Chat.TemplateTakesTools);
            int[] prompt = Prompt(Conversation.Read(body.Messages), functions);
            IReadOnlyList<GenerationRequest> requests = PromptedRequests.Of(request with { Guidance = form }, [prompt], choices);
            return new GenerationPlan(model, requests, prompt.Length, new ChatFormat(model, parts.Chat, functions), body.Stream is true, body.StreamOptions?.IncludeUsage is true, RequestedForm.ParamOf(body) ?? "tools");
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private int[] Prompt(IReadOnlyList<ChatTurn> turns, CallableFunctions functions)
    {
        try
        {
            return parts.Chat.Encode(FunctionCallPrompt.Of(parts.Chat, turns, functions));
        }
        catch (ArgumentException e)
        {
            throw ApiException.Invalid(e.Message, "messages");
        }
    }

    private static int? TopLogprobs(ChatCompletionRequest body) => body switch
    {
        { TopLogprobs: not null, Logprobs: not true } => throw ApiException.Invalid("top_logprobs needs logprobs: true.", "top_logprobs"),
        { TopLogprobs: < 0 or > MostTopLogprobs } => throw ApiException.Invalid($"top_logprobs is {body.TopLogprobs}; expected 0 to {MostTopLogprobs}.", "top_logprobs"),
        { Logprobs: true } => body.TopLogprobs ?? 0,
        _ => null,
    };
}

/// <summary>One generation request for each answer.</summary>
internal static class PromptedRequests
{
    /// <summary>The answers to a prompt stand together; those after the first draw with seeds of their own.</summary>
    internal static IReadOnlyList<GenerationRequest> Of(GenerationRequest request, IReadOnlyList<int[]> prompts, int choices) =>
    [
        .. from prompt in prompts
           from choice in Enumerable.Range(0, choices)
           select request.ForAnswer(choice) with { PromptIds = prompt },
    ];
}
