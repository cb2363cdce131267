using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// A chat client of Microsoft.Extensions.AI on a <see cref="ChatModel"/>. <see cref="ChatOptions.ModelId"/> chooses the adapter by its name;
/// the base model's name, or none, means no adapter.
/// </summary>
/// <param name="model">The model that answers.</param>
/// <param name="baseName">What the base model is called.</param>
/// <param name="ownsModel">Whether disposing the client disposes the model; false by default.</param>
public sealed class AlignerChatClient(ChatModel model, string baseName, bool ownsModel = false) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("aligneronnx", defaultModelId: baseName);

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The options name an adapter that is not loaded, or hold a value outside its range.</exception>
    /// <exception cref="PromptTooLongException">The conversation fills the model's context.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        GenerationRequest request = ToRequest(messages, options);
        string id = Guid.NewGuid().ToString("N");
        int produced = 0;
        await foreach (GeneratedToken token in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            produced++;
            ChatResponseUpdate update = new(ChatRole.Assistant, token.Text)
            {
                MessageId = id,
                ResponseId = id,
                ModelId = options?.ModelId ?? baseName,
                CreatedAt = TimeProvider.System.GetUtcNow(),
                FinishReason = ToFinishReason(token.Finish),
            };
            if (token.Finish != FinishReason.None)
            {
                update.Contents.Add(Usage(request.PromptIds.Count, produced));
            }
            yield return update;
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(ChatModel) ? model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Disposes the model where the client owns it.</summary>
    public void Dispose()
    {
        if (ownsModel)
        {
            model.Dispose();
        }
    }

    private GenerationRequest ToRequest(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        List<ChatTurn> turns = [];
        if (!string.IsNullOrEmpty(options?.Instructions))
        {
            turns.Add(new ChatTurn(ChatRole.System.Value, options.Instructions));
        }
        turns.AddRange(messages.Select(m => new ChatTurn(m.Role.Value, m.Text)));
        return new GenerationRequest
        {
            PromptIds = model.Encode(model.ApplyChatTemplate(turns)),
            Adapter = options?.ModelId is null || options.ModelId == baseName ? null : options.ModelId,
            MaxNewTokens = options?.MaxOutputTokens,
            Temperature = options?.Temperature,
            TopP = options?.TopP,
            TopK = options?.TopK,
            Seed = options?.Seed is long seed ? (int)(seed & int.MaxValue) : null,
            PresencePenalty = options?.PresencePenalty ?? 0,
            FrequencyPenalty = options?.FrequencyPenalty ?? 0,
            StopStrings = options?.StopSequences?.ToArray() ?? [],
            Guidance = options?.ResponseFormat is ChatResponseFormatJson json ? new Guidance(GuidanceKind.JsonSchema, json.Schema?.GetRawText() ?? """{"type":"object"}""") : null,
        };
    }

    private static ChatFinishReason? ToFinishReason(FinishReason finish) => finish switch
    {
        FinishReason.Stop => ChatFinishReason.Stop,
        FinishReason.Length => ChatFinishReason.Length,
        _ => null,
    };

    private static UsageContent Usage(int prompt, int produced) => new(new UsageDetails
    {
        InputTokenCount = prompt,
        OutputTokenCount = produced,
        TotalTokenCount = prompt + produced,
    });
}
