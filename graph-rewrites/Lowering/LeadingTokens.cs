using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>The sequences of a batch with places for the tokens of an adapter before each of them.</summary>
/// <param name="InputIds">[b, N + s]; the ids of the tokens' places have no meaning.</param>
/// <param name="AttentionMask">[b, N + s], 1 on the tokens.</param>
/// <param name="Count">N.</param>
internal sealed record LeadingTokens(Value InputIds, Value AttentionMask, int Count);
