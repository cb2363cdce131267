namespace AlignerOnnx.GenAI;

/// <summary>What to generate, and how. Null means the model's own default (the <c>search</c> section of its genai_config.json).</summary>
public sealed record GenerationRequest
{
    /// <summary>The prompt as token numbers; at least one.</summary>
    public required IReadOnlyList<int> PromptIds { get; init; }

    /// <summary>The name of a loaded adapter; null (the default) for the base model.</summary>
    public string? Adapter { get; init; }

    /// <summary>The most tokens to generate, at least 1; null (the default) as many as the context has room for.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>0 takes the likeliest token always; above, the logits are divided by it and a token is drawn.</summary>
    public float? Temperature { get; init; }

    /// <summary>Draws only among the likeliest tokens whose probabilities add up to this; above 0, at most 1.</summary>
    public float? TopP { get; init; }

    /// <summary>Draws only among so many likeliest tokens, at least 1.</summary>
    public int? TopK { get; init; }

    /// <summary>Makes drawing repeatable; not negative.</summary>
    public int? Seed { get; init; }

    /// <summary>Added to the logits of tokens by their number, each -100 to 100; none by default.</summary>
    public IReadOnlyDictionary<int, float> LogitBias { get; init; } = new Dictionary<int, float>();

    /// <summary>Taken from the logits of tokens that the answer holds already, -2 to 2; 0 by default.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Taken from the logits of tokens once for each time that the answer holds them, -2 to 2; 0 by default.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>How many of the likeliest tokens to tell with each token, 0 to 20; null (the default) tells no log-probabilities at all.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>The form that the answer must have; null (the default) for any.</summary>
    public Guidance? Guidance { get; init; }

    /// <summary>The answer ends before the first of these; none by default.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>The request for one of several answers. Where there is a seed each answer draws with one of its own: with one for all, the same unlikely number would be drawn in every answer.</summary>
    /// <param name="place">Which answer, 0 or more; the first draws with the seed itself.</param>
    public GenerationRequest ForAnswer(int place) => this with { Seed = unchecked(Seed + place) & int.MaxValue };

    /// <summary>Checks every value against its range.</summary>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    internal void Check()
    {
        if (PromptIds.Count == 0)
        {
            throw new ArgumentException("The prompt is empty; at least one token is needed.", nameof(PromptIds));
        }
        ThrowUnless(MaxNewTokens is null or >= 1, nameof(MaxNewTokens), MaxNewTokens, "at least 1");
        ThrowUnless(Temperature is null or (>= 0 and <= 100), nameof(Temperature), Temperature, "0 to 100");
        ThrowUnless(TopP is null or (> 0 and <= 1), nameof(TopP), TopP, "above 0, at most 1");
        ThrowUnless(TopK is null or >= 1, nameof(TopK), TopK, "at least 1");
        ThrowUnless(Seed is null or >= 0, nameof(Seed), Seed, "0 or more");
        ThrowUnless(LogitBias.All(bias => bias is { Key: >= 0, Value: >= -100 and <= 100 }), nameof(LogitBias), LogitBias.Count, "token numbers with biases of -100 to 100");
        ThrowUnless(PresencePenalty is >= -2 and <= 2, nameof(PresencePenalty), PresencePenalty, "-2 to 2");
        ThrowUnless(FrequencyPenalty is >= -2 and <= 2, nameof(FrequencyPenalty), FrequencyPenalty, "-2 to 2");
        ThrowUnless(TopLogprobs is null or (>= 0 and <= 20), nameof(TopLogprobs), TopLogprobs, "0 to 20");
        if (StopStrings.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("A stop string is empty.", nameof(StopStrings));
        }
    }

    private static void ThrowUnless(bool valid, string name, object? found, string expected)
    {
        if (!valid)
        {
            throw new ArgumentOutOfRangeException(name, found, $"Expected {expected}.");
        }
    }
}
