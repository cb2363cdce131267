using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.GenAI;

/// <summary>Tokens of one row of a cache that follow each other.</summary>
/// <param name="Row">The row.</param>
/// <param name="Past">Positions that the row has in the cache before them.</param>
/// <param name="Ids">The tokens, at least one.</param>
internal readonly record struct TokenRun(int Row, int Past, int[] Ids);

/// <summary>Computes tokens of the rows of a cache, each row of its own length. One thread at a time calls it.</summary>
internal sealed class BatchDecoder(BatchSession session) : IDisposable
{
    private readonly RunOptions _options = new();
    private readonly NativeBuffer _ids = new();
    private readonly NativeBuffer _places = new();
    private readonly NativeBuffer _mask = new();
    private readonly NativeBuffer _answers = new();
    private readonly NativeBuffer _logits = new();
    private float[] _last = [];

    /// <inheritdoc cref="BatchSession.Vocabulary"/>
    internal int Vocabulary => session.Vocabulary;

    /// <inheritdoc cref="BatchSession.IsFlat"/>
    internal bool IsFlat => session.IsFlat;

    /// <summary>Computes the next tokens of some rows. Their keys and values go into the cache.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="runs">The tokens; see <see cref="IsFlat"/>.</param>
    /// <param name="slots">Values of slots: of each run, or of each token where it is flat.</param>
    /// <returns>The logits behind the last token of each run, [runs, V]; valid until the next call.</returns>
    /// <exception cref="OnnxRuntimeException">The computation failed.</exception>
    internal ReadOnlySpan<float> Run(KeyValueCache cache, IReadOnlyList<TokenRun> runs, IReadOnlyList<(string Name, OrtValue Value)> slots) =>
        IsFlat ? RunFlat(cache, runs, slots) : RunRows(cache, runs, slots);

    private ReadOnlySpan<float> RunFlat(KeyValueCache cache, IReadOnlyList<TokenRun> runs, IReadOnlyList<(string Name, OrtValue Value)> slots)
    {
        int tokens = runs.Sum(run => run.Ids.Length);
        OrtValue[] views = cache.View(0, cache.Rows);
        using OrtValue ids = Ids(runs, [tokens, 1]);
        (OrtValue positions, OrtValue rows) = Places(runs, tokens);
        using OrtValue answers = Answers(runs);
        using OrtValue logits = LogitsFor(runs.Count, 1);
        using (positions)
        using (rows)
        {
            Run([ids, positions, rows, answers, .. views], slots, [logits, .. views]);
        }
        return LastLogits(runs.Count, 1);
    }

    private ReadOnlySpan<float> RunRows(KeyValueCache cache, IReadOnlyList<TokenRun> runs, IReadOnlyList<(string Name, OrtValue Value)> slots)
    {
        int length = runs[0].Ids.Length;
        int positions = session.HasLastLogitsOnly ? 1 : length;
        OrtValue[] views = cache.View(runs[0].Row, runs.Count);
        using OrtValue ids = Ids(runs, [runs.Count, length]);
        using OrtValue mask = Mask(runs, length);
        using OrtValue logits = LogitsFor(runs.Count, positions);
        Run([ids, mask, .. views], slots, [logits, .. views]);
        return LastLogits(runs.Count, positions);
    }

    private void Run(OrtValue[] inputs, IReadOnlyList<(string Name, OrtValue Value)> slots, OrtValue[] outputs) =>
        session.Run(_options, [.. session.Inputs, .. slots.Select(slot => slot.Name)], [.. inputs, .. slots.Select(slot => slot.Value)], outputs);

    public void Dispose()
    {
        _options.Dispose();
        _ids.Dispose();
        _places.Dispose();
        _mask.Dispose();
        _answers.Dispose();
        _logits.Dispose();
    }

    private OrtValue Ids(IReadOnlyList<TokenRun> runs, long[] shape)
    {
        bool isNarrow = session.HasNarrowIds;
        int count = (int)(shape[0] * shape[1]);
        int bytes = count * (isNarrow ? sizeof(int) : sizeof(long));
        _ids.Require(bytes);
        int next = 0;
        foreach (int id in runs.SelectMany(run => run.Ids))
        {
            if (isNarrow)
            {
                _ids.Span<int>(count)[next++] = id;
            }
            else
            {
                _ids.Span<long>(count)[next++] = id;
            }
        }
        return _ids.View(isNarrow ? TensorElementType.Int32 : TensorElementType.Int64, shape, 0, bytes);
    }

    /// <summary>Position and row of each token.</summary>
    private (OrtValue Positions, OrtValue Rows) Places(IReadOnlyList<TokenRun> runs, int tokens)
    {
        int bytes = tokens * sizeof(int);
        _places.Require(2 * bytes);
        Span<int> places = _places.Span<int>(2 * tokens);
        int next = 0;
        foreach (TokenRun run in runs)
        {
            for (int behind = 0; behind < run.Ids.Length; behind++, next++)
            {
                (places[next], places[tokens + next]) = (run.Past + behind, run.Row);
            }
        }
        return (_places.View(TensorElementType.Int32, [tokens], 0, bytes), _places.View(TensorElementType.Int32, [tokens], bytes, bytes));
    }

    /// <summary>The last token of each run.</summary>
    private OrtValue Answers(IReadOnlyList<TokenRun> runs)
    {
        int bytes = runs.Count * sizeof(long);
        _answers.Require(bytes);
        Span<long> answers = _answers.Span<long>(runs.Count);
        long token = -1;
        for (int run = 0; run < runs.Count; run++)
        {
            token += runs[run].Ids.Length;
            answers[run] = token;
        }
        return _answers.View(TensorElementType.Int64, [runs.Count], 0, bytes);
    }

    /// <summary>Ones for a row's own positions, then zeros: the operators count the ones.</summary>
    private OrtValue Mask(IReadOnlyList<TokenRun> runs, int length)
    {
        int total = runs.Max(run => run.Past) + length;
        int count = runs.Count * total;
        _mask.Require(count * sizeof(long));
        Span<long> mask = _mask.Span<long>(count);
        mask.Clear();
        for (int row = 0; row < runs.Count; row++)
        {
            mask.Slice(row * total, runs[row].Past + length).Fill(1);
        }
        return _mask.View(TensorElementType.Int64, [runs.Count, total], 0, count * sizeof(long));
    }

    private OrtValue LogitsFor(int rows, int positions)
    {
        long bytes = (long)rows * positions * Vocabulary * (session.LogitsType == TensorElementType.Float ? 4 : 2);
        _logits.Require(bytes);
        return _logits.View(session.LogitsType, [rows, positions, Vocabulary], 0, bytes);
    }

    private ReadOnlySpan<float> LastLogits(int rows, int positions)
    {
        if (positions == 1 && session.LogitsType == TensorElementType.Float)
        {
            return _logits.Span<float>(rows * Vocabulary);
        }
        Array.Resize(ref _last, Math.Max(_last.Length, rows * Vocabulary));
        for (int row = 0; row < rows; row++)
        {
            Span<float> target = _last.AsSpan(row * Vocabulary, Vocabulary);
            int from = ((row * positions) + positions - 1) * Vocabulary;
            if (session.LogitsType == TensorElementType.Float)
            {
                _logits.Span<float>(from + Vocabulary)[from..].CopyTo(target);
            }
            else
            {
                System.Numerics.Tensors.TensorPrimitives.ConvertToSingle(_logits.Span<Half>(from + Vocabulary)[from..], target);
            }
        }
        return _last.AsSpan(0, rows * Vocabulary);
    }
}
