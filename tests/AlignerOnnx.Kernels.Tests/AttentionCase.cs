using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Decoding;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>The heads of an attention node and what happens to them.</summary>
/// <param name="Heads">H.</param>
/// <param name="KeyValueHeads">G.</param>
/// <param name="Size">Elements of a head.</param>
/// <param name="Pairs">Pairs of a head that are rotated; 0 for none.</param>
/// <param name="Interleaved">Whether rotated pairs are neighbours.</param>
/// <param name="Window">Positions that a query sees; 0 for all.</param>
/// <param name="Packed">Whether queries, keys and values are side by side.</param>
/// <param name="Scale">The factor on scores; 0 for the standard one.</param>
public sealed record AttentionForm(int Heads, int KeyValueHeads, int Size, int Pairs, bool Interleaved, int Window, bool Packed, float Scale);

/// <summary>What attention gives, and what it leaves in the cache.</summary>
internal sealed record AttentionResult(float[] Attended, float[] Keys, float[] Values);

/// <summary>Random new positions of some rows with a random past.</summary>
internal sealed class AttentionCase
{
    /// <summary>Positions that a row of the cache has room for.</summary>
    public const int Capacity = 200;

    private readonly AttentionForm _form;
    private readonly int _positions;
    private readonly int[] _pasts;
    private readonly float[] _queries;
    private readonly float[] _keys;
    private readonly float[] _values;
    private readonly float[] _pastKeys;
    private readonly float[] _pastValues;
    private readonly float[] _cosines;
    private readonly float[] _sines;

    public AttentionCase(AttentionForm form, int positions, int[] pasts, int seed)
    {
        (_form, _positions, _pasts) = (form, positions, pasts);
        Random random = new(seed);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * 4))];
        _queries = Numbers(Rows * positions * form.Heads * form.Size);
        _keys = Numbers(Rows * positions * form.KeyValueHeads * form.Size);
        _values = Numbers(_keys.Length);
        _pastKeys = Numbers(Rows * form.KeyValueHeads * Capacity * form.Size);
        _pastValues = Numbers(_pastKeys.Length);
        double[] angles = [.. Enumerable.Range(0, Capacity * form.Pairs).Select(_ => random.NextDouble() * Math.Tau)];
        _cosines = [.. angles.Select(angle => (float)Math.Cos(angle))];
        _sines = [.. angles.Select(angle => (float)Math.Sin(angle))];
    }

    private int Rows => _pasts.Length;

    private int Group => _form.Heads / _form.KeyValueHeads;

    /// <summary>What ONNX Runtime makes of it, by its own operator or by ours in its place.</summary>
    /// <param name="ours">Which one.</param>
    /// <param name="inPlace">Whether the cache is read and written in the same memory.</param>
    public AttentionResult Run(bool ours, bool inPlace)
    {
        OnnxModel model = Model();
        Assert.AreEqual(ours ? 1 : 0, ours ? CachedAttentions.Apply(model, _form.Size) : 0);
        return Run(model, inPlace, Rows, _positions, [.. _pasts.Select(past => past + _positions - 1)], rows: null);
    }

    /// <summary>What our operator makes of it where each token is a row of the batch that says which row of the cache it belongs to, those of the last row first.</summary>
    public AttentionResult RunFlat()
    {
        OnnxModel model = Model();
        CachedAttentions.Apply(model, _form.Size);
        Node core = model.Graph.Nodes.Single();
        core.Rewire(9, model.Graph.AddInput("rows", model.Graph.Find("lengths")!.Type!.Clone()));
        int[] rows = [.. Enumerable.Range(0, Rows * _positions).Select(token => Rows - 1 - (token / _positions))];
        AttentionResult backwards = Run(model, inPlace: true, rows.Length, 1, [.. rows.Select((row, token) => _pasts[row] + (token % _positions))], rows);
        return backwards with { Attended = Backwards(backwards.Attended) };
    }

    private AttentionResult Run(OnnxModel model, bool inPlace, int batch, int positions, int[] lengths, int[]? rows)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 3 };
        OperatorKernels.Register(options);
        using InferenceSession session = new(model.ToBytes(), options);
        long[] cache = [Rows, _form.KeyValueHeads, Capacity, _form.Size];
        (float[] keys, float[] values) = ([.. _pastKeys], [.. _pastValues]);
        (float[] presentKeys, float[] presentValues) = inPlace ? (keys, values) : (new float[keys.Length], new float[values.Length]);
        float[] attended = new float[_queries.Length];
        OrtValue New(float[] heads) => OrtValue.CreateTensorValueFromMemory(rows is null ? heads : Backwards(heads), [batch, positions, heads.Length / (batch * positions)]);
        using RunOptions run = new();
        using Values inputs = new()
        {
            { "q", New(_form.Packed ? Packed() : _queries) },
            { "pk", OrtValue.CreateTensorValueFromMemory(keys, cache) },
            { "pv", OrtValue.CreateTensorValueFromMemory(values, cache) },
            { "lengths", OrtValue.CreateTensorValueFromMemory(lengths, [batch]) },
            { "total", OrtValue.CreateTensorValueFromMemory([_pasts.Max() + _positions], []) },
        };
        if (!_form.Packed)
        {
            inputs.Add("k", New(_keys));
            inputs.Add("v", New(_values));
        }
        if (_form.Pairs > 0)
        {
            inputs.Add("cos", OrtValue.CreateTensorValueFromMemory(_cosines, [Capacity, _form.Pairs]));
            inputs.Add("sin", OrtValue.CreateTensorValueFromMemory(_sines, [Capacity, _form.Pairs]));
        }
        if (rows is not null)
        {
            inputs.Add("rows", OrtValue.CreateTensorValueFromMemory(rows, [batch]));
        }
        using Values outputs = new()
        {
            { "y", OrtValue.CreateTensorValueFromMemory(attended, [batch, positions, _form.Heads * _form.Size]) },
            { "nk", OrtValue.CreateTensorValueFromMemory(presentKeys, cache) },
            { "nv", OrtValue.CreateTensorValueFromMemory(presentValues, cache) },
        };
        session.Run(run, inputs.Names, inputs.All, outputs.Names, outputs.All);
        return new AttentionResult(attended, presentKeys, presentValues);
    }

    /// <summary>The rows of an array in the opposite order.</summary>
    private float[] Backwards(float[] heads) => [.. heads.Chunk(heads.Length / Rows).Reverse().SelectMany(row => row)];

    /// <summary>The same in double precision, from the operator's definition.</summary>
    public AttentionResult Expected()
    {
        (float[] keys, float[] values, float[] attended) = ([.. _pastKeys], [.. _pastValues], new float[_queries.Length]);
        double scale = _form.Scale == 0 ? 1 / Math.Sqrt(_form.Size) : _form.Scale;
        for (int row = 0; row < Rows; row++)
        {
            for (int position = 0; position < _positions; position++)
            {
                for (int head = 0; head < _form.KeyValueHeads; head++)
                {
                    int from = ((((row * _positions) + position) * _form.KeyValueHeads) + head) * _form.Size;
                    Rotated(_keys.AsSpan(from, _form.Size), _pasts[row] + position).Select(x => (float)x).ToArray().CopyTo(CacheAt(keys, row, head, _pasts[row] + position));
                    _values.AsSpan(from, _form.Size).CopyTo(CacheAt(values, row, head, _pasts[row] + position));
                }
            }
            for (int position = 0; position < _positions; position++)
            {
                for (int head = 0; head < _form.Heads; head++)
                {
                    int at = ((((row * _positions) + position) * _form.Heads) + head) * _form.Size;
                    int end = _pasts[row] + position + 1, first = _form.Window == 0 ? 0 : Math.Max(0, end - _form.Window);
                    double[] query = Rotated(_queries.AsSpan(at, _form.Size), end - 1);
                    double[] scores = [.. Enumerable.Range(first, end - first).Select(key => scale * Dot(query, CacheAt(keys, row, head / Group, key)))];
                    double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
                    for (int i = 0; i < _form.Size; i++)
                    {
                        attended[at + i] = (float)(weights.Select((weight, key) => weight * CacheAt(values, row, head / Group, first + key)[i]).Sum() / weights.Sum());
                    }
                }
            }
        }
        return new AttentionResult(attended, keys, values);
    }

    private static double Dot(double[] a, Span<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private Span<float> CacheAt(float[] cache, int row, int head, int position) => cache.AsSpan(((((row * _form.KeyValueHeads) + head) * Capacity) + position) * _form.Size, _form.Size);

    private double[] Rotated(ReadOnlySpan<float> head, int position)
    {
        double[] rotated = new double[head.Length];
        for (int i = 0; i < head.Length; i++)
        {
            rotated[i] = head[i];
        }
        for (int pair = 0; pair < _form.Pairs; pair++)
        {
            (int first, int second) = _form.Interleaved ? (2 * pair, (2 * pair) + 1) : (pair, _form.Pairs + pair);
            (double cosine, double sine) = (_cosines[(position * _form.Pairs) + pair], _sines[(position * _form.Pairs) + pair]);
            (rotated[first], rotated[second]) = ((head[first] * cosine) - (head[second] * sine), (head[second] * cosine) + (head[first] * sine));
        }
        return rotated;
    }

    private float[] Packed() =>
        [.. Enumerable.Range(0, Rows * _positions).SelectMany(position => Part(_queries, position, _form.Heads).Concat(Part(_keys, position, _form.KeyValueHeads)).Concat(Part(_values, position, _form.KeyValueHeads)))];

    private IEnumerable<float> Part(float[] all, int position, int heads) => all.Skip(position * heads * _form.Size).Take(heads * _form.Size);

    private OnnxModel Model()
    {
        string cache = $"float[b, {_form.KeyValueHeads}, c, {_form.Size}]";
        string attributes = $"num_heads = {_form.Heads}, kv_num_heads = {_form.KeyValueHeads}, local_window_size = {(_form.Window == 0 ? -1 : _form.Window)}, do_rotary = {(_form.Pairs > 0 ? 1 : 0)}, "
            + $"rotary_interleaved = {(_form.Interleaved ? 1 : 0)}" + (_form.Scale == 0 ? "" : FormattableString.Invariant($", scale = {_form.Scale:f6}"));
        return OnnxText.Load($$"""
            <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
            attention (float[b, s, w] q{{(_form.Packed ? "" : ", float[b, s, u] k, float[b, s, u] v")}}, {{cache}} pk, {{cache}} pv, int32[b] lengths, int32 total{{(_form.Pairs > 0 ? ", float[m, r] cos, float[m, r] sin" : "")}})
                => (float[b, s, o] y, {{cache}} nk, {{cache}} nv)
            {
                y, nk, nv = com.microsoft.GroupQueryAttention <{{attributes}}> (q, {{(_form.Packed ? "," : "k, v")}}, pk, pv, lengths, total{{(_form.Pairs > 0 ? ", cos, sin" : "")}})
            }
            """);
    }

    /// <summary>Values by name, which go together.</summary>
    private sealed class Values : List<(string Name, OrtValue Value)>, IDisposable
    {
        public string[] Names => [.. this.Select(entry => entry.Name)];

        public OrtValue[] All => [.. this.Select(entry => entry.Value)];

        public void Add(string name, OrtValue value) => Add((name, value));

        public void Dispose() => ForEach(entry => entry.Value.Dispose());
    }
}
