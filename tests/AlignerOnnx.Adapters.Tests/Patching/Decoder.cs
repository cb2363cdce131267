using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Patching;

/// <summary>A decoder in plain ONNX Runtime with slot values and a key/value cache, driven step by step.</summary>
internal sealed class Decoder : IDisposable
{
    private const int RoomyCapacity = 64;

    private readonly GraphRunner _runner;
    private readonly (string Past, string Present)[] _cache;
    private readonly AttentionSite _site;
    private Dictionary<string, float[]> _past = [];
    private readonly int _capacity;
    private int _pastLength;

    /// <param name="model">The model; patched or not.</param>
    /// <param name="sites">The sites of its base.</param>
    /// <param name="slots">Values of slots.</param>
    public Decoder(OnnxModel model, IReadOnlyList<AttentionSite> sites, params IReadOnlyList<(string Name, Array Data, long[] Shape)> slots)
    {
        _runner = new GraphRunner(model, slots);
        _site = sites[0];
        // A cache that slides wants room for its window from the start.
        _capacity = sites.Any(site => site.Core.Attributes.Int("sliding_window_cache", 0) != 0) ? RoomyCapacity : 0;
        _cache = [.. sites.SelectMany(site => new[] { (site.Cache.PastKey?.Name, site.Cache.PresentKey?.Name), (site.Cache.PastValue?.Name, site.Cache.PresentValue?.Name) })
            .Where(pair => pair.Item1 is not null && pair.Item2 is not null).Select(pair => (pair.Item1!, pair.Item2!))];
    }

    /// <summary>Logits of one step, [b, s, V]. The mask covers the cache too.</summary>
    public float[] Step(long[] ids, int batch, long[]? mask = null)
    {
        int length = ids.Length / batch;
        int total = _pastLength + length;
        mask ??= [.. Enumerable.Repeat(1L, batch * total)];
        List<(string, Array, long[])> inputs =
        [
            ("input_ids", ids, [batch, length]),
            ("attention_mask", mask, [batch, total]),
            ("position_ids", Positions(mask, batch, length), [batch, length]),
        ];
        foreach ((string past, _) in _cache)
        {
            int room = Math.Max(_capacity, _pastLength);
            inputs.Add((past, _past.GetValueOrDefault(past) ?? new float[batch * _site.KeyValueHeads * room * _site.HeadSize], [batch, _site.KeyValueHeads, room, _site.HeadSize]));
        }
        IReadOnlyDictionary<string, float[]> results = _runner.Run(inputs);
        _past = _cache.ToDictionary(pair => pair.Past, pair => results[pair.Present]);
        _pastLength = total;
        return results["logits"];
    }

    public void Dispose() => _runner.Dispose();

    private static long[] Positions(long[] mask, int batch, int length)
    {
        int total = mask.Length / batch;
        return [.. Enumerable.Range(0, batch).SelectMany(row => Enumerable.Range(total - length, length)
            .Select(place => Math.Max(mask.AsSpan(row * total, place + 1).ToArray().Sum() - 1, 0)))];
    }
}
