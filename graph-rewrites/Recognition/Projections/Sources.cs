using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Says whether two products read the same activations: rows may be flattened, and types converted, for each of them.</summary>
internal static class Sources
{
    private const int Steps = 8;

    /// <summary>Whether two values hold the same numbers.</summary>
    public static bool AreSame(Value a, Value b) => Origin(a) == Origin(b);

    /// <summary>The value behind changes of layout and type.</summary>
    public static Value Origin(Value value)
    {
        for (int step = 0; step < Steps && value.Producer is { OpType: "Reshape" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Dropout" } same && same.Input(0) is { } input; step++)
        {
            value = input;
        }
        return value;
    }
}
