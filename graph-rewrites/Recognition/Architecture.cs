using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>The sizes that an adapter depends on, equal in all layers.</summary>
/// <param name="HiddenSize">d, elements of a token.</param>
/// <param name="Layers">L, attention sites.</param>
/// <param name="QueryHeads">H, query heads of a layer: gates of a layer.</param>
/// <param name="KeyValueHeads">G, key/value heads of a layer.</param>
/// <param name="HeadSize">Elements of a head.</param>
public sealed record Architecture(int HiddenSize, int Layers, int QueryHeads, int KeyValueHeads, int HeadSize)
{
    /// <summary>The first adapted layer of the paper's adapters, the default.</summary>
    public const int StandardStartLayer = 2;

    /// <summary>The sizes as messages say them; <see cref="ToString"/> is part of what fingerprints are made of and must stay as it is.</summary>
    public string InWords() => $"hidden size {HiddenSize}, {Layers} layers, {QueryHeads} query and {KeyValueHeads} key/value heads of {HeadSize}";

    /// <summary>The number of values that an adapter trains: N * d + (L - start layer) * H.</summary>
    /// <param name="tokens">N, at least 1.</param>
    /// <param name="startLayer">The first adapted layer.</param>
    public long TrainableParameters(int tokens, int startLayer) => ((long)tokens * HiddenSize) + ((long)(Layers - startLayer) * QueryHeads);

    /// <summary>The first adapted layer: the one that is asked for, but for the default in a model that has no such layer, the last one.</summary>
    /// <param name="asked">A layer, from 0.</param>
    /// <param name="file">The model, for the message.</param>
    /// <exception cref="ModelRefusedException">The model has no such layer.</exception>
    public int StartLayerFor(int asked, string file) =>
        asked < Layers ? asked
        : asked == StandardStartLayer ? Layers - 1
        : throw new ModelRefusedException("The model has no such layer", file, $"start layer {asked}", $"a layer from 0 to {Layers - 1}", "name an earlier start layer");

    /// <summary>The common sizes of all sites.</summary>
    /// <exception cref="ModelRefusedException">Two layers differ.</exception>
    public static Architecture Of(IReadOnlyList<AttentionSite> sites, string file)
    {
        ArgumentNullException.ThrowIfNull(sites);
        Architecture[] each = [.. sites.Select(site => new Architecture((int)site.HiddenSize, sites.Count, site.QueryHeads, site.KeyValueHeads, site.HeadSize))];
        int other = Array.FindIndex(each, architecture => architecture != each[0]);
        return other < 0
            ? each[0]
            : throw new ModelRefusedException("The layers of the model differ", $"{file}, layer {other}", each[other].ToString(), each[0].ToString(), "name a model whose layers have the same sizes");
    }
}
