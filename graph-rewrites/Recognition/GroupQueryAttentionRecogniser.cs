using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// com.microsoft.GroupQueryAttention as the GenAI model builder writes it: packed or separate projections in front, the output projection behind.
/// Inputs: 0 query (packed when 1 and 2 are absent), 1 key, 2 value, 3-4 past, 5-6 lengths, 7-8 rotary caches.
/// </summary>
internal sealed class GroupQueryAttentionRecogniser : IAttentionRecogniser
{
    private const string Form = "GroupQueryAttention";

    public bool LooksFor(Node node) => node.Is(Form, Domains.Microsoft);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        long heads = core.Attributes.Int("num_heads", 0);
        long keyValueHeads = core.Attributes.Int("kv_num_heads", 0);
        if (heads is < 1 or > 4096 || keyValueHeads < 1 || heads % keyValueHeads != 0)
        {
            return Match<AttentionSite>.Fail($"num_heads {heads} is not a multiple of kv_num_heads {keyValueHeads}", core);
        }
        Match<Sources> sources = FindSources(core, heads, keyValueHeads);
        if (!sources.Success)
        {
            return Match<AttentionSite>.Fail(sources);
        }
        Match<Projection> output = ProjectionRecogniser.Reading(core.Output);
        if (!output.Success)
        {
            return Match<AttentionSite>.Fail(output);
        }
        (ProjectionSlice query, ProjectionSlice key, ProjectionSlice value) = sources.Found;
        long headSize = query.Count / heads;
        if (output.Found.InputSize != query.Count)
        {
            return Match<AttentionSite>.Fail($"the output projection takes {output.Found.InputSize} elements, the heads give {query.Count}", output.Found.Node);
        }
        float scale = core.Attributes.Float("scale", 0) is var given and not 0 ? given : 1 / MathF.Sqrt(headSize);
        return new AttentionSite(layer, Form, core, (int)heads, (int)keyValueHeads, (int)headSize, scale, query, key, value, output.Found, FindRotary(core));
    }

    private static Match<Sources> FindSources(Node core, long heads, long keyValueHeads) =>
        core.Input(0) is not { } query ? Match<Sources>.Fail("the query input is absent", core)
        : core.Input(1) is not { } key || core.Input(2) is not { } value ? FindPacked(query, heads, keyValueHeads)
        : FindSeparate(query, key, value, heads, keyValueHeads);

    private static Match<Sources> FindPacked(Value packed, long heads, long keyValueHeads)
    {
        Match<Projection> projection = ProjectionRecogniser.Computing(packed);
        if (!projection.Success)
        {
            return Match<Sources>.Fail(projection);
        }
        long headSize = projection.Found.OutputSize / (heads + (2 * keyValueHeads));
        if (headSize < 1 || headSize * (heads + (2 * keyValueHeads)) != projection.Found.OutputSize)
        {
            return Match<Sources>.Fail($"{projection.Found.OutputSize} packed elements do not divide into {heads} + 2 * {keyValueHeads} heads", packed);
        }
        long queryCount = heads * headSize;
        long keyCount = keyValueHeads * headSize;
        return new Sources(
            new ProjectionSlice(projection.Found, 0, queryCount),
            new ProjectionSlice(projection.Found, queryCount, keyCount),
            new ProjectionSlice(projection.Found, queryCount + keyCount, keyCount));
    }

    private static Match<Sources> FindSeparate(Value query, Value key, Value value, long heads, long keyValueHeads)
    {
        Match<Projection>[] found = [ProjectionRecogniser.Computing(query), ProjectionRecogniser.Computing(key), ProjectionRecogniser.Computing(value)];
        if (Array.Find(found, match => !match.Success) is { } missing)
        {
            return Match<Sources>.Fail(missing);
        }
        ProjectionSlice[] slices = [.. found.Select(match => new ProjectionSlice(match.Found!, 0, match.Found!.OutputSize))];
        return slices[0].Count % heads != 0 || slices[1].Count * heads != slices[0].Count * keyValueHeads || slices[2].Count != slices[1].Count
            ? Match<Sources>.Fail($"projections of {slices[0].Count}, {slices[1].Count} and {slices[2].Count} elements do not fit {heads} and {keyValueHeads} heads", query)
            : new Sources(slices[0], slices[1], slices[2]);
    }

    private static RotaryFacts? FindRotary(Node core) =>
        core.Attributes.Int("do_rotary", 0) != 0 && core.Input(7) is { } cosines && core.Input(8) is { } sines
            ? new RotaryFacts(cosines, sines, core.Attributes.Int("rotary_interleaved", 0) != 0)
            : null;

    private sealed record Sources(ProjectionSlice Query, ProjectionSlice Key, ProjectionSlice Value);
}
