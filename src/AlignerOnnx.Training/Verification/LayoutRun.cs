using System.Globalization;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>One model with one adapter in its slots, on the same token ids. The ids of <c>prefix</c> rows stand before them; their own logits are left out.</summary>
internal sealed class LayoutRun
{
    private readonly OnnxModel _model;
    private readonly IReadOnlyList<AdapterParameter> _slots;
    private readonly long[] _ids;
    private readonly int _rows;
    private readonly int _before;
    private readonly ComputeDevice _device;

    /// <param name="model">The model, patched where there is an adapter.</param>
    /// <param name="sites">The sites of its base.</param>
    /// <param name="adapter">The adapter; null for none.</param>
    /// <param name="ids">Token ids [b, s].</param>
    /// <param name="rows">b.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="place">Rows of a <c>prefix</c> table before the adapter's.</param>
    public LayoutRun(OnnxModel model, IReadOnlyList<AttentionSite> sites, Adapter? adapter, long[] ids, int rows, ComputeDevice device, int place = 0)
    {
        _device = device;
        _model = model;
        _rows = rows;
        SlotLayout? layout = adapter is null ? null : SlotLayouts.Of(model);
        _slots = layout is null ? [] : AdapterCompiler.Parameters(adapter!, sites, layout.Value);
        long[] first = [];
        if (layout == SlotLayout.Prefix)
        {
            long firstId = long.Parse(model.Metadata(PrefixInjection.FirstIdKey)!, CultureInfo.InvariantCulture) + place;
            first = [.. Enumerable.Range(0, adapter!.Config.NumTokens).Select(row => firstId + row)];
            _slots = [Lower(_slots[0], place)];
        }
        _before = first.Length;
        _ids = [.. ids.Chunk(ids.Length / rows).SelectMany(row => first.Concat(row))];
    }

    /// <summary>The logits [b, s, V] of all positions in one step.</summary>
    public float[] AtOnce(bool floatActivations)
    {
        using SlotValues slots = new(_slots);
        using DecoderSession session = new(_model, floatActivations, device: _device);
        using DecoderSession.Step step = session.Run(_ids, _rows, slots: slots);
        return [.. step.Logits.Chunk(step.Logits.Length / _rows).SelectMany(row => row.Skip(row.Length / Total * _before))];
    }

    /// <summary>The same logits, the second half of the positions one by one behind a cache; with float32 activations.</summary>
    public float[] TokenByToken()
    {
        using SlotValues slots = new(_slots);
        using DecoderSession session = new(_model, floatActivations: true, device: _device);
        int prompt = _before + ((Total - _before) / 2);
        DecoderSession.Step step = session.Run(Columns(0, prompt), _rows, slots: slots);
        int vocabulary = step.Logits.Length / (_rows * prompt);
        float[] logits = new float[_rows * (Total - _before) * vocabulary];
        Place(step.Logits, prompt, _before, logits, 0, vocabulary);
        for (int position = prompt; position < Total; position++)
        {
            DecoderSession.Step past = step;
            step = session.Run(Columns(position, 1), _rows, past, slots);
            past.Dispose();
            Place(step.Logits, 1, 0, logits, position - _before, vocabulary);
        }
        step.Dispose();
        return logits;
    }

    private int Total => _ids.Length / _rows;

    private long[] Columns(int first, int count) => [.. _ids.Chunk(Total).SelectMany(row => row.Skip(first).Take(count))];

    /// <summary>Copies positions of each row, without those to skip.</summary>
    private void Place(float[] from, int length, int skipped, float[] to, int position, int vocabulary)
    {
        for (int row = 0; row < _rows; row++)
        {
            from.AsSpan(((row * length) + skipped) * vocabulary, (length - skipped) * vocabulary).CopyTo(to.AsSpan(((row * (Total - _before)) + position) * vocabulary));
        }
    }

    private static AdapterParameter Lower(AdapterParameter table, int rows) => rows == 0 ? table : table with
    {
        Shape = [table.Shape[0] + rows, table.Shape[1]],
        Data = (byte[])[.. new byte[table.Data.Length / table.Shape[0] * rows], .. table.Data.Span],
    };
}
