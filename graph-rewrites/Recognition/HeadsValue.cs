using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>How a value of the graph arranges heads.</summary>
public enum HeadLayout
{
    /// <summary>[b, s, heads * head size], heads side by side.</summary>
    SequenceMajor,

    /// <summary>[b, s, heads, head size].</summary>
    SequenceHeads,

    /// <summary>[b, heads, s, head size].</summary>
    HeadMajor,

    /// <summary>[tokens, heads * head size]: the sequences of a batch in one line.</summary>
    Flat,
}

/// <summary>A value that holds the heads of one layer.</summary>
/// <param name="Value">The value.</param>
/// <param name="Layout">How it arranges them.</param>
public sealed record HeadsValue(Value Value, HeadLayout Layout);
