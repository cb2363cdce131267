using System.Text.Json;
using Microsoft.Extensions.AI;

namespace AlignerOnnx.GenAI;

/// <summary>An answer as updates of Microsoft.Extensions.AI: words token by token; calls of functions, and the usage, with the last token.</summary>
/// <param name="functions">The functions that the answer may call.</param>
/// <param name="modelId">What answers.</param>
/// <param name="promptTokens">Tokens of the prompt.</param>
internal sealed class AnswerUpdates(CallableFunctions functions, string modelId, int promptTokens)
{
    private readonly string _id = Guid.NewGuid().ToString("N");
    private readonly FunctionCallReader _reader = new(functions);
    private int _produced;

    internal ChatResponseUpdate Next(GeneratedToken token)
    {
        _produced++;
        ChatResponseUpdate update = new()
        {
            Role = ChatRole.Assistant,
            MessageId = _id,
            ResponseId = _id,
            ModelId = modelId,
            CreatedAt = TimeProvider.System.GetUtcNow(),
            RawRepresentation = token,
        };
        Say(update, _reader.Add(token.Text));
        if (token.Finish != FinishReason.None)
        {
            End(update, token.Finish);
        }
        return update;
    }

    private void End(ChatResponseUpdate update, FinishReason reason)
    {
        (string said, IReadOnlyList<FunctionCall> calls) = _reader.End();
        Say(update, said);
        foreach (FunctionCall call in calls)
        {
            update.Contents.Add(ToContent(call));
        }
        update.Contents.Add(Usage());
        update.FinishReason = calls.Count > 0 ? ChatFinishReason.ToolCalls : reason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;
    }

    private static void Say(ChatResponseUpdate update, string text)
    {
        if (text.Length > 0)
        {
            update.Contents.Add(new TextContent(text));
        }
    }

    private static FunctionCallContent ToContent(FunctionCall call) => FunctionCallContent.CreateFromParsedArguments(
        call.Arguments, call.Id, call.Name, static json => JsonSerializer.Deserialize<Dictionary<string, object?>>(json, AIJsonUtilities.DefaultOptions));

    private UsageContent Usage() => new(new UsageDetails
    {
        InputTokenCount = promptTokens,
        OutputTokenCount = _produced,
        TotalTokenCount = promptTokens + _produced,
    });
}
