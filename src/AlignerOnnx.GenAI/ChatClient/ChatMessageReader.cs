using System.Text;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>Turns messages of Microsoft.Extensions.AI into those of a chat template: results of functions know the call that they belong to.</summary>
internal sealed class ChatMessageReader
{
    private readonly Dictionary<string, FunctionCall> _called = new(StringComparer.Ordinal);

    /// <summary>The turns.</summary>
    /// <param name="messages">The messages, oldest first.</param>
    /// <param name="instructions">The system message that stands before all else; null or empty for none.</param>
    /// <exception cref="ArgumentException">A result belongs to no call before it.</exception>
    /// <exception cref="NotSupportedException">A message holds what a model of texts cannot read.</exception>
    internal static IReadOnlyList<ChatTurn> Read(IEnumerable<ChatMessage> messages, string? instructions)
    {
        ChatMessageReader reader = new();
        List<ChatTurn> turns = string.IsNullOrEmpty(instructions) ? [] : [new ChatTurn(ChatRole.System.Value, instructions)];
        foreach ((int index, ChatMessage message) in messages.Index())
        {
            turns.AddRange(message.Role == ChatRole.Tool ? reader.Results(message, index) : [reader.Said(message, index)]);
        }
        return turns;
    }

    private ChatTurn Said(ChatMessage message, int index)
    {
        StringBuilder text = new();
        List<FunctionCall> calls = [];
        foreach (AIContent content in message.Contents.Where(TellsTheModel))
        {
            switch (content)
            {
                case TextContent said:
                    text.Append(said.Text);
                    break;
                case FunctionCallContent call when message.Role == ChatRole.Assistant:
                    calls.Add(Remember(call));
                    break;
                default:
                    throw Unsupported(content, message, index);
            }
        }
        return new ChatTurn(message.Role.Value, text.ToString()) { Name = message.AuthorName, Calls = calls };
    }

    /// <summary>One message may hold the results of several calls.</summary>
    private IEnumerable<ChatTurn> Results(ChatMessage message, int index) => message.Contents.Where(TellsTheModel).Select(content =>
    {
        FunctionResultContent result = content as FunctionResultContent ?? throw Unsupported(content, message, index);
        FunctionCall call = _called.GetValueOrDefault(result.CallId)
            ?? throw new ArgumentException($"messages[{index}] holds a result whose CallId '{result.CallId}' names no call of an assistant message before it.");
        return new ChatTurn(ChatRole.Tool.Value, FunctionResultText.Of(result)) { ResultOf = call };
    });

    private FunctionCall Remember(FunctionCallContent content)
    {
        FunctionCall call = new(content.CallId, content.Name, content.Arguments is { } arguments ? ModelJson.Write(arguments) : "{}");
        _called[call.Id] = call;
        return call;
    }

    /// <summary>Counts of tokens are for the caller, and models are not told again what they thought.</summary>
    private static bool TellsTheModel(AIContent content) => content is not (UsageContent or TextReasoningContent);

    private static NotSupportedException Unsupported(AIContent content, ChatMessage message, int index) => new(
        $"messages[{index}] of the role {message.Role} holds {content.GetType().Name}; supported are text, calls of functions in messages of the assistant, and their results in messages of the role tool.");
}
