using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>One kind of operator (or group of operators) between a projection and the attention core. A step goes back over it and notes what it does to the heads.</summary>
internal interface IPathStep
{
    /// <summary>Whether a value is computed by this kind of operator.</summary>
    bool LooksFor(Value value);

    /// <summary>Goes back to what the operator reads, or says why it cannot.</summary>
    /// <returns>The reason; null where it went.</returns>
    string? Pass(HeadsWalk walk);
}
