using System.Globalization;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>How many numbers are trained.</summary>
/// <param name="TokenCount">Tokens n, 1 or more.</param>
/// <param name="HiddenSize">Size of a token d, 1 or more.</param>
/// <param name="AdaptedLayers">Layers with gates L', start layer .. last; 0 for concat attention, which has no gates.</param>
/// <param name="HeadCount">Query heads H of a layer, 1 or more.</param>
public sealed record AdapterShape(int TokenCount, int HiddenSize, int AdaptedLayers, int HeadCount)
{
    /// <summary>The shape of an adapter of a model.</summary>
    /// <param name="model">The model's sizes.</param>
    /// <param name="startLayer">The first adapted layer, 0 .. L - 1; without effect on concat attention.</param>
    /// <param name="tokens">N, 1 or more.</param>
    /// <param name="attention">How tokens take part in attention. Default <see cref="AttentionReading.Gated"/>.</param>
    public static AdapterShape Of(Architecture model, int startLayer, int tokens, AttentionReading attention = AttentionReading.Gated)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new AdapterShape(tokens, model.HiddenSize, attention == AttentionReading.Concat ? 0 : model.Layers - startLayer, model.QueryHeads);
    }

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
