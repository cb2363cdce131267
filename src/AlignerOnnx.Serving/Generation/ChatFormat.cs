using System.Text;
using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>The shape of chat completions.</summary>
/// <param name="model">What answers.</param>
/// <param name="chat">Decodes tokens.</param>
/// <param name="functions">The functions that answers may call.</param>
internal sealed class ChatFormat(ModelLease model, ChatModel chat, CallableFunctions functions) : AnswerFormat(model, "chatcmpl")
{
    private readonly CallableFunctions _functions = functions;

    internal override Task WriteAsync(HttpContext context, IReadOnlyList<AnswerText> answers, Usage usage) => Json.WriteAsync(context,
        new ChatCompletion(Id, "chat.completion", Created, Model.Name, Model.Fingerprint, [.. answers.Select(ToChoice)], usage), AnswerJson.Types.ChatCompletion);

    internal override AnswerEvents Stream(int choice) => _functions.Any ? new CallEvents(this, choice) : new TextEvents(this, choice);

    internal override string UsageOnly(Usage usage) => Serialize(Chunk() with { Usage = usage });

    private Choice ToChoice(AnswerText answer, int index)
    {
        FunctionCallReader reader = new(_functions);
        string said = reader.Add(answer.Text);
        (string rest, IReadOnlyList<FunctionCall> calls) = reader.End();
        return calls.Count > 0
            ? new(index, new AnswerMessage("assistant", said.Length > 0 ? said : null) { ToolCalls = ToolCall.Of(calls) }, Logprobs(answer.Tokens), "tool_calls")
            : new(index, new AnswerMessage("assistant", said + rest), Logprobs(answer.Tokens), Reason(answer.Finish));
    }

    private ChatLogprobs? Logprobs(IReadOnlyList<GeneratedToken> tokens) => tokens is [] || tokens[0].Logprobs is null
        ? null
        : new ChatLogprobs([.. tokens.Select(token => Likelihood(token.Id, token.Logprobs!.Chosen, [.. token.Logprobs.Top.Select(top => Likelihood(top.Id, top.Logprob, null))]))]);

    private TokenLikelihood Likelihood(int id, float logprob, IReadOnlyList<TokenLikelihood>? top)
    {
        string text = chat.Decode([id]);
        return new TokenLikelihood(text, logprob, [.. Encoding.UTF8.GetBytes(text).Select(each => (int)each)], top);
    }

    private string Event(int choice, Delta delta, IReadOnlyList<GeneratedToken> tokens, string? finish = null) =>
        Serialize(Chunk(new ChunkChoice(choice, delta, finish) { Logprobs = Logprobs(tokens) }));

    private ChatCompletionChunk Chunk(params IReadOnlyList<ChunkChoice> choices) => new(Id, "chat.completion.chunk", Created, Model.Name, Model.Fingerprint, choices);

    private static string Serialize(ChatCompletionChunk chunk) => JsonSerializer.Serialize(chunk, AnswerJson.Types.ChatCompletionChunk);

    /// <summary>An answer in words, token by token.</summary>
    private sealed class TextEvents(ChatFormat format, int choice) : AnswerEvents
    {
        internal override string? Opening => format.Event(choice, new Delta { Role = "assistant", Content = "" }, []);

        internal override string? Piece(GeneratedToken token) => format.Event(choice, new Delta { Content = token.Text }, [token]);

        internal override IEnumerable<string> Closing(FinishReason reason) => [format.Event(choice, new Delta(), [], Reason(reason))];
    }

    /// <summary>An answer that may call functions: words token by token, calls as a whole.</summary>
    private sealed class CallEvents(ChatFormat format, int choice) : AnswerEvents
    {
        private readonly FunctionCallReader _reader = new(format._functions);
        private readonly List<GeneratedToken> _waiting = [];

        internal override string? Opening => format.Event(choice, new Delta { Role = "assistant" }, []);

        internal override string? Piece(GeneratedToken token)
        {
            _waiting.Add(token);
            return _reader.Add(token.Text) is { Length: > 0 } said ? Waited(new Delta { Content = said }) : null;
        }

        internal override IEnumerable<string> Closing(FinishReason reason)
        {
            (string said, IReadOnlyList<FunctionCall> calls) = _reader.End();
            if (said.Length > 0 || calls.Count > 0)
            {
                yield return Waited(calls.Count > 0 ? new Delta { ToolCalls = ToolCall.Of(calls) } : new Delta { Content = said });
            }
            yield return format.Event(choice, new Delta(), [], calls.Count > 0 ? "tool_calls" : Reason(reason));
        }

        /// <summary>An event with the tokens that it took.</summary>
        private string Waited(Delta delta)
        {
            string written = format.Event(choice, delta, _waiting);
            _waiting.Clear();
            return written;
        }
    }
}
