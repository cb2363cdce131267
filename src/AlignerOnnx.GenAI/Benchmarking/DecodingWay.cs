using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.GenAI;

/// <summary>A decoder with a cache of its own, as the batch uses it.</summary>
internal sealed class DecodingWay : IDisposable
{
    private const int Past = 64;
    private const int Token = 5;

    private static readonly int Piece = new ChatModelOptions().PromptChunk;

    private readonly BatchSession _session;
    private readonly BatchDecoder _decoder;
    private readonly KeyValueCache _cache;
    private readonly RowSlots _slots;
    private readonly SlotValues?[] _adapters;

    /// <summary>Opens the decoder.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="kernels">Whether kernels of our own compute what they can.</param>
    /// <param name="rows">The most answers.</param>
    /// <param name="longest">The longest prompt.</param>
    /// <exception cref="ModelRefusedException">The model cannot be loaded, or allows no batch.</exception>
    internal DecodingWay(GenAIConfig config, bool kernels, int rows, int longest)
    {
        OnnxModel model = ModelLoader.Load(config.DecoderPath);
        (BatchForm? form, string? why) = config.Obstacle is { } obstacle ? (null, obstacle) : BatchForm.Of(model);
        if (form is null)
        {
            throw new ModelRefusedException("The model allows no batch", config.DecoderPath, why);
        }
        IReadOnlyList<Slot> slots = ModelSlots.Of(model);
        Slot? delta = slots.FirstOrDefault(slot => slot.Name == OneTokenInjection.Slot);
        _adapters = [.. Enumerable.Range(0, rows).Select(row => delta is null ? null : Adapter(delta, row))];
        _slots = new RowSlots(slots);
        _session = new BatchSession(model, form, config, RowSlots.AreSmall(slots), kernels);
        _decoder = new BatchDecoder(_session);
        _cache = new KeyValueCache(form);
        _cache.Resize(rows, Math.Max(longest, Past + 1), []);
    }

    /// <summary>Computes what is measured.</summary>
    internal void Compute(DecodingCase what)
    {
        if (what.Prompt == 0)
        {
            _decoder.Run(_cache, [.. Enumerable.Range(0, what.Rows).Select(row => new TokenRun(row, Past, [Token]))], _slots.For(_adapters.AsSpan(0, what.Rows)));
            return;
        }
        for (int first = 0; first < what.Prompt; first += Piece)
        {
            int count = Math.Min(Piece, what.Prompt - first);
            SlotValues?[] adapters = [.. Enumerable.Repeat(_adapters[0], _decoder.IsFlat ? count : 1)];
            _decoder.Run(_cache, [new TokenRun(0, first, [.. Enumerable.Range(Token, count)])], _slots.For(adapters));
        }
    }

    public void Dispose()
    {
        _slots.Dispose();
        _cache.Dispose();
        _decoder.Dispose();
        _session.Dispose();
    }

    /// <summary>Small values, different for each row, as the slot's type has them.</summary>
    private static SlotValues Adapter(Slot slot, int row)
    {
        int elements = (int)slot.Dimensions.Skip(1).Aggregate(1L, (product, size) => product * size);
        float[] values = [.. Enumerable.Range(0, elements).Select(i => 0.001f * (((i + row) % 7) - 3))];
        return new SlotValues([(slot, FloatEncoding.ToBytes(values, (Onnx.TensorProto.Types.DataType)slot.DataType))]);
    }
}
