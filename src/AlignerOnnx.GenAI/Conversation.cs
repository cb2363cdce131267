using System.Runtime.CompilerServices;
using System.Text;

namespace AlignerOnnx.GenAI;

/// <summary>A conversation with a model: what was said so far stands before each new question.</summary>
public sealed class Conversation
{
    private readonly ChatTurn[] _opening;
    private ChatTurn[] _turns;

    /// <summary>Opens a conversation.</summary>
    /// <param name="system">The system message that stands before all else; null for none.</param>
    public Conversation(string? system = null) => _turns = _opening = system is null ? [] : [new ChatTurn("system", system)];

    /// <summary>What was said, oldest first. A stopped answer stays as far as it came.</summary>
    public IReadOnlyList<ChatTurn> Turns => _turns;

    /// <summary>The tokens of the latest prompt: all that was said before the answer, in the words of the chat template.</summary>
    public int PromptTokens { get; private set; }

    /// <summary>Forgets all but the system message.</summary>
    public void Reset() => _turns = _opening;

    /// <summary>Asks and streams the answer; both are remembered from the answer's first token on.</summary>
    /// <param name="model">The model; it may be another one at each question.</param>
    /// <param name="question">What the user says.</param>
    /// <param name="options">How to answer; the prompt in it is replaced.</param>
    /// <param name="cancellation">Stops the answer before its next token.</param>
    /// <exception cref="ArgumentException">The model's chat template does not take the conversation.</exception>
    /// <exception cref="PromptTooLongException">The conversation fills the context; the question is not remembered.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async IAsyncEnumerable<GeneratedToken> AskAsync(ChatModel model, string question, GenerationRequest options, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ChatTurn[] asked = [.. _turns, new ChatTurn("user", question)];
        GenerationRequest request = options with { PromptIds = model.Encode(model.ApplyChatTemplate(asked)) };
        PromptTokens = request.PromptIds.Count;
        StringBuilder answer = new();
        bool begun = false;
        try
        {
            await foreach (GeneratedToken token in model.GenerateAsync(request, cancellation).ConfigureAwait(false))
            {
                begun = true;
                answer.Append(token.Text);
                yield return token;
            }
        }
        finally
        {
            _turns = begun ? [.. asked, new ChatTurn("assistant", answer.ToString())] : _turns;
        }
    }
}
