using System.Threading.Channels;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>One answer on its way through the batch: what is known of it, what is computed of it, and who reads it.</summary>
internal sealed class BatchRow : IDisposable
{
    private readonly NativeModel _native;
    private readonly ITokenSearch _search;
    private readonly AnswerText _text;
    private readonly CancellationToken _cancellation;
    private readonly List<int> _ids;
    // Unbounded: an answer is short, and a slow reader must not hold up the batch.
    private readonly Channel<GeneratedToken> _tokens = Channel.CreateUnbounded<GeneratedToken>(new() { SingleReader = true, SingleWriter = true });
    private volatile bool _abandoned;

    /// <param name="native">Holds tokenizer and search; held until the row is closed.</param>
    /// <param name="request">What to generate.</param>
    /// <param name="prompt">The prompt with all that stands before it.</param>
    /// <param name="adapter">The adapter's values; null for the base model.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="cancellation">Ends the answer before its next token.</param>
    /// <exception cref="ArgumentException">The prompt fills the context, or the form that is asked for cannot be followed.</exception>
    internal BatchRow(NativeModel native, GenAIConfig config, GenerationRequest request, IReadOnlyList<int> prompt, SlotValues? adapter, CancellationToken cancellation)
    {
        MaxLength = GeneratorFactory.MaxLength(config, request, prompt.Count);
        (_native, _ids, Adapter, _cancellation, PromptLength) = (native, [.. prompt], adapter, cancellation, prompt.Count);
        native.Hold();
        try
        {
            _search = Search(native, config, request);
            _text = new AnswerText(native, request, MaxLength - prompt.Count);
        }
        catch
        {
            _search?.Dispose();
            native.LetGo();
            throw;
        }
    }

    /// <summary>The tokens for the reader; ends with the answer, or with why there is none.</summary>
    internal ChannelReader<GeneratedToken> Tokens => _tokens.Reader;

    internal SlotValues? Adapter { get; }

    internal int PromptLength { get; }

    /// <summary>The most positions that the row can come to need.</summary>
    internal int MaxLength { get; }

    /// <summary>Prompt and answer so far.</summary>
    internal IReadOnlyList<int> Ids => _ids;

    /// <summary>Positions whose keys and values are in the cache.</summary>
    internal int Length { get; set; }

    /// <summary>Tokens that are known but not computed; 1 while an answer grows.</summary>
    internal int Remaining => _ids.Count - Length;

    /// <summary>When it came, for fairness; set by the queue.</summary>
    internal long Arrival { get; set; }

    /// <summary>Whether nobody waits for the answer any more.</summary>
    internal bool IsGone => _abandoned || _cancellation.IsCancellationRequested;

    /// <summary>Says that the reader has left.</summary>
    internal void Abandon() => _abandoned = true;

    /// <summary>The tokens that are computed next.</summary>
    internal int[] Next(int count) => [.. System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_ids).Slice(Length, count)];

    /// <summary>Chooses the next token by its logits, [V], and gives it to the reader.</summary>
    /// <returns>Whether the answer goes on.</returns>
    internal bool Take(ReadOnlySpan<float> logits)
    {
        GeneratedToken token = _text.Add(_search.Choose(logits));
        _ids.Add(token.Id);
        _tokens.Writer.TryWrite(token);
        return token.Finish == FinishReason.None;
    }

    /// <summary>Ends the answer. To be called once, by the batch that has the row, or that takes it out of the queue.</summary>
    internal void Close(Exception? failure = null)
    {
        Dispose();
        _tokens.Writer.Complete(failure ?? (IsGone ? new OperationCanceledException(_cancellation) : null));
    }

    /// <summary>Frees the search; <see cref="Close"/> does it too.</summary>
    public void Dispose()
    {
        _text.Dispose();
        _search.Dispose();
        _native.LetGo();
    }

    private ITokenSearch Search(NativeModel native, GenAIConfig config, GenerationRequest request)
    {
        if (!config.SearchReadsPrompt && request.Guidance is null && (request.Temperature is 0 || (request.Temperature is null && !config.Samples)))
        {
            return new GreedySearch(request, config.VocabularySize);
        }
        Generator generator = GeneratorFactory.Create(native, request, MaxLength);
        try
        {
            // The search reads the prompt only for penalties; its last token is enough otherwise.
            generator.AppendTokens(config.SearchReadsPrompt ? [.. request.PromptIds] : [request.PromptIds[^1]]);
            return new GeneratorSearch(generator, request);
        }
        catch
        {
            generator.Dispose();
            throw;
        }
    }
}
