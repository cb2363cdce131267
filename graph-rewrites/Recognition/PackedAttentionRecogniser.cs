using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.Attention, which projects inside: inputs 0 x, 1 weight [d, queries + keys + values], 2 bias, 3 mask, 4 past of keys and values in one value,
/// 5 attention bias. Queries exist only inside the core. Source: ONNX Runtime's contrib operator documentation.
/// </summary>
internal sealed class PackedAttentionRecogniser : IAttentionRecogniser
{
    private const int WeightInput = 1;
    private const int BiasInput = 2;
    private const int PastInput = 4;
    private const int MaskInput = 5;

    public bool LooksFor(Node node) => node.Is("Attention", Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        if (core.Input(0) is null)
        {
            return Match<AttentionSite>.Fail("the input is absent", core);
        }
        Match<FrozenMatrix> weight = FrozenMatrices.Of(core.Input(WeightInput));
        if (!weight.Success)
        {
            return Match<AttentionSite>.Fail(weight);
        }
        if (core.Input(BiasInput) is { } bias && Constants.Vector(bias, weight.Found.OutputSize) is null)
        {
            return Match<AttentionSite>.Fail("the bias is not a constant vector of queries, keys and values", bias);
        }
        long[]? sizes = SizesOf(core, weight.Found.OutputSize);
        if (sizes is null)
        {
            return Match<AttentionSite>.Fail($"qkv_hidden_sizes do not fit a weight of {weight.Found.OutputSize} columns", core);
        }
        CacheFacts cache = new(core.Input(PastInput), core.Input(PastInput), core.Outputs.ElementAtOrDefault(1), core.Outputs.ElementAtOrDefault(1));
        ScoreFacts scores = new(Bias: core.Input(MaskInput), IsCausal: core.Attributes.Int("unidirectional", 0) != 0);
        if (CausalMask.WhyNoDecoder(core, scores, cache) is { } reason)
        {
            return Match<AttentionSite>.Fail(reason, core);
        }
        Projection projection = new(core, core.Output, core.Input(BiasInput), weight.Found.InputSize, weight.Found.OutputSize) { Matrix = weight.Found };
        HeadsPath[] paths = [.. sizes.Select((size, part) => new HeadsPath(new ProjectionSlice(projection, sizes.Take(part).Sum(), size)))];
        bool rotates = core.Attributes.Int("do_rotary", 0) != 0;
        return new SiteParts(layer, "Attention (com.microsoft)", core, paths[0], paths[1], paths[2], core.Attributes.Int("num_heads", 0), 0, new HeadsValue(core.Output, HeadLayout.SequenceMajor))
        {
            Scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null,
            QueryObstacle = rotates ? "com.microsoft Attention rotates queries inside, by angles that the graph does not hold" : null,
            Scores = scores,
            Cache = cache,
        }.Assemble();
    }

    private static long[]? SizesOf(Node core, long columns) =>
        core.Attributes.Ints("qkv_hidden_sizes") is { Count: 3 } given ? given.All(size => size is > 0 and <= int.MaxValue) && given.Sum() == columns ? [.. given] : null
        : columns % 3 == 0 ? [columns / 3, columns / 3, columns / 3]
        : null;
}
