using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// Turns how <see cref="ChatOptions"/> want an answer into a generation request, or says what about them cannot be done. Nothing asked for is left out silently but hints, which
/// Microsoft.Extensions.AI leaves to each client: <see cref="ChatOptions.Reasoning"/>, <see cref="ChatOptions.AllowBackgroundResponses"/> and
/// <see cref="ChatOptions.AdditionalProperties"/>.
/// </summary>
internal static class ChatOptionsReader
{
    private const string AnyObject = """{"type":"object"}""";

    /// <summary>The request, without a prompt.</summary>
    internal static GenerationRequest Read(ChatOptions options, IChatClient client, string baseName)
    {
        RefuseWhatNeedsAService(options);
        GenerationRequest own = Own(options, client);
        return own with
        {
            Adapter = own.Adapter ?? (options.ModelId == baseName ? null : options.ModelId),
            MaxNewTokens = own.MaxNewTokens ?? options.MaxOutputTokens,
            Temperature = own.Temperature ?? options.Temperature,
            TopP = own.TopP ?? options.TopP,
            TopK = own.TopK ?? options.TopK,
            Seed = own.Seed ?? (options.Seed is long seed ? (int)(seed & int.MaxValue) : null),
            PresencePenalty = own.PresencePenalty is 0 ? options.PresencePenalty ?? 0 : own.PresencePenalty,
            FrequencyPenalty = own.FrequencyPenalty is 0 ? options.FrequencyPenalty ?? 0 : own.FrequencyPenalty,
            StopStrings = own.StopStrings is [] ? [.. options.StopSequences ?? []] : own.StopStrings,
            Guidance = own.Guidance ?? Form(options.ResponseFormat),
        };
    }

    /// <summary>What is set beyond, or instead of, the options that all clients share.</summary>
    private static GenerationRequest Own(ChatOptions options, IChatClient client) => options.RawRepresentationFactory?.Invoke(client) switch
    {
        null => new GenerationRequest { PromptIds = [] },
        GenerationRequest request => request,
        var other => throw new NotSupportedException($"RawRepresentationFactory gave a {other.GetType()}; expected a {nameof(GenerationRequest)}."),
    };

    private static Guidance? Form(ChatResponseFormat? format) => format switch
    {
        null or ChatResponseFormatText => null,
        ChatResponseFormatJson json => new Guidance(GuidanceKind.JsonSchema, json.Schema?.GetRawText() ?? AnyObject),
        _ => throw new NotSupportedException($"A ResponseFormat of the kind {format.GetType().Name} is not supported; expected text or JSON."),
    };

    private static void RefuseWhatNeedsAService(ChatOptions options)
    {
        if (!string.IsNullOrEmpty(options.ConversationId))
        {
            throw new NotSupportedException("ConversationId is not supported: the client keeps no conversations. Send all messages with each request.");
        }
        if (options.ContinuationToken is not null)
        {
            throw new NotSupportedException("ContinuationToken is not supported: the client has no answers in the background. Ask again.");
        }
    }
}
