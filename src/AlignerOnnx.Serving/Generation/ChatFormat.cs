using System.Text;
using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>The shape of chat completions; with <paramref name="calls"/>, answers are function calls, which streams give whole.</summary>
internal sealed class ChatFormat(ModelLease model, ChatModel chat, bool calls) : AnswerFormat(model, "chatcmpl")
{
    // The text of a function call of a stream, until it is whole.
    private readonly StringBuilder _call = new();

    internal override Task WriteAsync(HttpContext context, IReadOnlyList<AnswerText> answers, Usage usage) => Json.WriteAsync(context,
        new ChatCompletion(Id, "chat.completion", Created, Model.Name, Model.Fingerprint, [.. answers.Select(ToChoice)], usage), ApiJson.Default.ChatCompletion);

    internal override string? Opening(int choice) => Event(new ChunkChoice(choice, new Delta { Role = "assistant", Content = calls ? null : "" }, null));

    internal override string? Piece(int choice, GeneratedToken token)
    {
        if (calls)
        {
            _call.Append(token.Text);
            return null;
        }
        return Event(new ChunkChoice(choice, new Delta { Content = token.Text }, null) { Logprobs = Logprobs([token]) });
    }

    internal override string Closing(int choice, FinishReason reason)
    {
        if (!calls)
        {
            return Event(new ChunkChoice(choice, new Delta(), Reason(reason)));
        }
        string text = _call.ToString();
        _call.Clear();
        return ToolCalling.Read(text) is { } call
            ? Event(new ChunkChoice(choice, new Delta { ToolCalls = [call] }, "tool_calls"))
            : Event(new ChunkChoice(choice, new Delta { Content = text }, Reason(reason)));
    }

    internal override string UsageOnly(Usage usage) => Serialize(Chunk() with { Usage = usage });

    private Choice ToChoice(AnswerText answer, int index) => calls && ToolCalling.Read(answer.Text) is { } call
        ? new(index, new AnswerMessage("assistant", null) { ToolCalls = [call] }, Logprobs(answer.Tokens), "tool_calls")
        : new(index, new AnswerMessage("assistant", answer.Text), Logprobs(answer.Tokens), Reason(answer.Finish));

    private ChatLogprobs? Logprobs(IReadOnlyList<GeneratedToken> tokens) => tokens is [] || tokens[0].Logprobs is null
        ? null
        : new ChatLogprobs([.. tokens.Select(token => Likelihood(token.Id, token.Logprobs!.Chosen, [.. token.Logprobs.Top.Select(top => Likelihood(top.Id, top.Logprob, null))]))]);

    private TokenLikelihood Likelihood(int id, float logprob, IReadOnlyList<TokenLikelihood>? top)
    {
        string text = chat.Decode([id]);
        return new TokenLikelihood(text, logprob, [.. Encoding.UTF8.GetBytes(text).Select(each => (int)each)], top);
    }

    private string Event(ChunkChoice choice) => Serialize(Chunk(choice));

    private ChatCompletionChunk Chunk(params IReadOnlyList<ChunkChoice> choices) => new(Id, "chat.completion.chunk", Created, Model.Name, Model.Fingerprint, choices);

    private static string Serialize(ChatCompletionChunk chunk) => JsonSerializer.Serialize(chunk, ApiJson.Default.ChatCompletionChunk);
}
