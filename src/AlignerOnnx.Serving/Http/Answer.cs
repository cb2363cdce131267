using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>What is known of one answer while it grows, and the API objects that tell it.</summary>
internal sealed class Answer(ModelLease model, int promptTokens)
{
    private readonly string _id = $"chatcmpl-{Guid.NewGuid():N}";
    private readonly long _created = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
    private FinishReason _finish = FinishReason.Length;

    internal int PromptTokens => promptTokens;

    internal int Produced { get; private set; }

    internal void Count(GeneratedToken token)
    {
        Produced++;
        _finish = token.Finish;
    }

    internal ChatCompletion Whole(string text) =>
        new(_id, "chat.completion", _created, model.Name, model.Fingerprint, [new Choice(0, new AnswerMessage("assistant", text), Reason)], Usage);

    internal ChatCompletionChunk Opening() => Chunk(new ChunkChoice(0, new Delta { Role = "assistant", Content = "" }, null));

    internal ChatCompletionChunk Piece(string text) => Chunk(new ChunkChoice(0, new Delta { Content = text }, null));

    internal ChatCompletionChunk Closing() => Chunk(new ChunkChoice(0, new Delta(), Reason));

    internal ChatCompletionChunk UsageOnly() => Chunk() with { Usage = Usage };

    private string Reason => _finish == FinishReason.Length ? "length" : "stop";

    private Usage Usage => new(promptTokens, Produced);

    private ChatCompletionChunk Chunk(params IReadOnlyList<ChunkChoice> choices) => new(_id, "chat.completion.chunk", _created, model.Name, model.Fingerprint, choices);
}
