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

    /// <summary>The event that opens an answer; null where there is none.</summary>
    internal abstract string? Opening(int choice);

    /// <summary>The event of one more token; null where the token waits for others.</summary>
    internal abstract string? Piece(int choice, GeneratedToken token);

    /// <summary>The event that ends an answer.</summary>
    internal abstract string Closing(int choice, FinishReason reason);

    /// <summary>The event that tells the usage.</summary>
    internal abstract string UsageOnly(Usage usage);

    protected static string Reason(FinishReason reason) => reason == FinishReason.Length ? "length" : "stop";
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
