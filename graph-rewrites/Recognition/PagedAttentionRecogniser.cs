using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Paths;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.PagedAttention: the sequences of a batch stand in one line of tokens. Inputs: 0 query (packed where 1 and 2 are absent), 1 key, 2 value, 3-4 cache,
/// 5 cumulative lengths, 6 past lengths, 7 block table, 8-9 rotary caches. Source: ONNX Runtime's contrib operator documentation.
/// </summary>
/// <param name="traced">Follows operands.</param>
internal sealed class PagedAttentionRecogniser(TracedHeads traced) : IAttentionRecogniser
{
    private const string Form = "PagedAttention";
    private const int CacheInput = 8;

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        long keyValueHeads = core.Attributes.Int("kv_num_heads", 0);
        Match<HeadsPath[]> paths = PackedHeads.Trace(traced, core, heads, keyValueHeads);
        if (!paths.Success)
        {
            return Match<AttentionSite>.Fail(paths);
        }
        bool rotates = core.Attributes.Int("do_rotary", 0) != 0;
        if (rotates && (core.Input(CacheInput) is null || core.Input(CacheInput + 1) is null))
        {
            return Match<AttentionSite>.Fail("do_rotary is set and the rotary caches are absent", core);
        }
        return new SiteParts(layer, Form, core, paths.Found[0], paths.Found[1], paths.Found[2], heads, keyValueHeads, new HeadsValue(core.Output, HeadLayout.Flat))
        {
            Scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : null,
            Operand = new QueryOperand(core.Input(0)!, HeadLayout.Flat, PackedHeads.IsPacked(core), IsNormalised: true, IsRotated: !rotates),
            QueryObstacle = rotates ? "PagedAttention rotates queries by positions that the graph does not hold as a value" : null,
            RotaryInside = !rotates ? null : new RotaryFacts(core.Input(CacheInput)!, core.Input(CacheInput + 1)!, core.Attributes.Int("rotary_interleaved", 0) != 0)
            {
                RotatedSize = RotaryCaches.RotatedSize(core.Input(CacheInput)!, (int)(paths.Found[0].Slice.Count / heads)),
            },
            Scores = new ScoreFacts(core.Attributes.Float("softcap", 0), Math.Max(core.Attributes.Int("local_window_size", -1), -1)),
            Cache = new CacheFacts(core.Input(3), core.Input(4), core.Outputs.ElementAtOrDefault(1), core.Outputs.ElementAtOrDefault(2)),
        }.Assemble();
    }
}
