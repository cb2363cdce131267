using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// A chat client of Microsoft.Extensions.AI on a <see cref="ChatModel"/>. <see cref="ChatOptions.ModelId"/> chooses the adapter by its name; the base model's name, or none,
/// means no adapter. <see cref="ChatOptions.Tools"/> takes functions, which the client does not invoke itself: <c>UseFunctionInvocation</c> of Microsoft.Extensions.AI does.
/// What <see cref="ChatOptions"/> has no word for comes from <see cref="ChatOptions.RawRepresentationFactory"/>, which may give a <see cref="GenerationRequest"/>: what that sets
/// stands, its prompt is replaced. Each streamed update holds its <see cref="GeneratedToken"/> as the raw representation.
/// </summary>
/// <param name="model">The model that answers.</param>
/// <param name="baseName">What the base model is called.</param>
/// <param name="ownsModel">Whether disposing the client disposes the model; false by default.</param>
public sealed class AlignerChatClient(ChatModel model, string baseName, bool ownsModel = false) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("aligneronnx", defaultModelId: baseName);

    /// <inheritdoc/>
    /// <inheritdoc cref="GetStreamingResponseAsync" path="/exception"/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The options name an adapter that is not loaded or a function that is none of the tools, hold a value outside its range, or ask for a form of
    /// an answer that may be a function call; or a message holds the result of a call that no message before it makes.</exception>
    /// <exception cref="NotSupportedException">A message holds other contents than text, calls of functions and their results, or the options ask for what the client does not have.</exception>
    /// <exception cref="PromptTooLongException">The conversation fills the model's context.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        CallableFunctions functions = ChatToolsReader.Read(options);
        GenerationRequest request = ToRequest(ChatMessageReader.Read(messages, options?.Instructions), options ?? new ChatOptions(), functions);
        AnswerUpdates answer = new(functions, request.Adapter ?? baseName, request.PromptIds.Count);
        await foreach (GeneratedToken token in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            yield return answer.Next(token);
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

    private GenerationRequest ToRequest(IReadOnlyList<ChatTurn> turns, ChatOptions options, CallableFunctions functions)
    {
        GenerationRequest request = ChatOptionsReader.Read(options, this, baseName);
        return request with
        {
            Guidance = FunctionCallForm.Of(functions, request.Guidance, model.TemplateTakesTools),
            PromptIds = model.Encode(FunctionCallPrompt.Of(model, turns, functions)),
        };
    }
}
