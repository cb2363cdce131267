using System.Globalization;

namespace AlignerOnnx.Training;

/// <summary>How many numbers are trained.</summary>
/// <param name="TokenCount">Tokens n, 1 or more.</param>
/// <param name="HiddenSize">Size of a token d, 1 or more.</param>
/// <param name="AdaptedLayers">Layers with gates L', start layer .. last; 0 for concat attention, which has no gates.</param>
/// <param name="HeadCount">Query heads H of a layer, 1 or more.</param>
public sealed record AdapterShape(int TokenCount, int HiddenSize, int AdaptedLayers, int HeadCount)
{
    /// <summary>Numbers in the tokens.</summary>
    public int TokenValues => checked(TokenCount * HiddenSize);

    /// <summary>Numbers in the gates.</summary>
    public int GateValues => checked(AdaptedLayers * HeadCount);

    /// <summary>All trainable numbers.</summary>
    public int TrainableValues => checked(TokenValues + GateValues);

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"tokens [{TokenCount}, {HiddenSize}], gates [{AdaptedLayers}, {HeadCount}]");
}
