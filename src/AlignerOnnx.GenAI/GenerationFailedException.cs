namespace AlignerOnnx.GenAI;

/// <summary>The runtime failed while it computed an answer. Other answers are not concerned.</summary>
/// <param name="inner">The runtime's own failure.</param>
public sealed class GenerationFailedException(Exception inner) : Exception($"The answer could not be computed: {inner?.Message}", inner);
