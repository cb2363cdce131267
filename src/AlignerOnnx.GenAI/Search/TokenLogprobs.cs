namespace AlignerOnnx.GenAI;

/// <summary>How likely the model found a token and its alternatives: natural logarithms of probabilities, before temperature, biases and penalties.</summary>
/// <param name="Chosen">Of the token itself.</param>
/// <param name="Top">The likeliest tokens, the likeliest first; as many as were asked for.</param>
public sealed record TokenLogprobs(float Chosen, IReadOnlyList<(int Id, float Logprob)> Top);
