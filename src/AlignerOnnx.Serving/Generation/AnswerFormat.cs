using System.Text;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>How answers look in one of the API's shapes: as one object, or as the events of a stream.</summary>
internal abstract class AnswerFormat(ModelLease model, string idPrefix)
{
    protected string Id { get; } = $"{idPrefix}-{Guid.NewGuid():N}";

    protected long Created { get; } = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();

    protected ModelLease Model => model;

    /// <summary>Writes all answers at once.</summary>
    internal abstract Task WriteAsync(HttpContext context, IReadOnlyList<AnswerText> answers, Usage usage);

    /// <summary>Begins a streamed answer.</summary>
    /// <param name="choice">Its index.</param>
    internal abstract AnswerEvents Stream(int choice);

    /// <summary>The event that tells the usage.</summary>
    internal abstract string UsageOnly(Usage usage);

    protected static string Reason(FinishReason reason) => reason == FinishReason.Length ? "length" : "stop";
}

/// <summary>The events of one streamed answer.</summary>
internal abstract class AnswerEvents
{
    /// <summary>The event that opens the answer; null where there is none.</summary>
    internal virtual string? Opening => null;

    /// <summary>The event of one more token; null where the token waits for others.</summary>
    internal abstract string? Piece(GeneratedToken token);

    /// <summary>The events that end the answer.</summary>
    internal abstract IEnumerable<string> Closing(FinishReason reason);
}

/// <summary>One answer while it grows.</summary>
internal sealed class AnswerText
{
    private readonly StringBuilder _text = new();
    private readonly List<GeneratedToken> _tokens = [];

    internal string Text => _text.ToString();

    internal IReadOnlyList<GeneratedToken> Tokens => _tokens;

    internal FinishReason Finish { get; private set; } = FinishReason.Length;

    internal void Add(GeneratedToken token)
    {
        _text.Append(token.Text);
        _tokens.Add(token);
        Finish = token.Finish;
    }
}
