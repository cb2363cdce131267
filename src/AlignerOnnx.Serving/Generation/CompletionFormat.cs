using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>The shape of completions, OpenAI's older API without messages.</summary>
internal sealed class CompletionFormat(ModelLease model, ChatModel chat) : AnswerFormat(model, "cmpl")
{
    internal override Task WriteAsync(HttpContext context, IReadOnlyList<AnswerText> answers, Usage usage) =>
        Json.WriteAsync(context, Whole([.. answers.Select((answer, index) => new CompletionChoice(index, answer.Text, Logprobs(answer.Tokens), Reason(answer.Finish)))]) with { Usage = usage }, AnswerJson.Types.Completion);

    internal override AnswerEvents Stream(int choice) => new Events(this, choice);

    internal override string UsageOnly(Usage usage) => JsonSerializer.Serialize(Whole() with { Usage = usage }, AnswerJson.Types.Completion);

    private string Event(CompletionChoice choice) => JsonSerializer.Serialize(Whole(choice), AnswerJson.Types.Completion);

    private Completion Whole(params IReadOnlyList<CompletionChoice> choices) => new(Id, "text_completion", Created, Model.Name, Model.Fingerprint, choices);

    private CompletionLogprobs? Logprobs(IReadOnlyList<GeneratedToken> tokens)
    {
        if (tokens is [] || tokens[0].Logprobs is null)
        {
            return null;
        }
        int[] offsets = new int[tokens.Count];
        for (int i = 1; i < offsets.Length; i++)
        {
            offsets[i] = offsets[i - 1] + tokens[i - 1].Text.Length;
        }
        return new CompletionLogprobs([.. tokens.Select(token => chat.Decode([token.Id]))], [.. tokens.Select(token => token.Logprobs!.Chosen)], [.. tokens.Select(Top)], offsets);
    }

    private Dictionary<string, float> Top(GeneratedToken token)
    {
        Dictionary<string, float> top = new(StringComparer.Ordinal);
        foreach ((int id, float logprob) in token.Logprobs!.Top)
        {
            // Numbers of different tokens may have the same text; the likeliest stands for them.
            top.TryAdd(chat.Decode([id]), logprob);
        }
        return top;
    }

    private sealed class Events(CompletionFormat format, int choice) : AnswerEvents
    {
        internal override string? Piece(GeneratedToken token) => format.Event(new CompletionChoice(choice, token.Text, format.Logprobs([token]), null));

        internal override IEnumerable<string> Closing(FinishReason reason) => [format.Event(new CompletionChoice(choice, "", null, Reason(reason)))];
    }
}
