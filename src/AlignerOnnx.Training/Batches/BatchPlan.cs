namespace AlignerOnnx.Training;

/// <summary>In which order rows are trained.</summary>
public enum BatchOrder
{
    /// <summary>The order of the file, again and again.</summary>
    File,

    /// <summary>A new random order in each epoch.</summary>
    Shuffled,
}

/// <summary>
/// Says which rows each step trains. Epochs follow each other without a gap: step i takes positions i * size .. (i + 1) * size - 1 of that endless
/// sequence, so every batch is full and a step's rows depend on nothing but the plan. That makes a run resumable at any step. A batch is never larger than the data:
/// a row that a step took many times over would cost as much again and weigh next to nothing.
/// </summary>
public sealed class BatchPlan
{
    private readonly int _rowCount;
    private readonly BatchOrder _order;
    private readonly ulong _seed;
    private int[] _permutation = [];
    private long _permutationEpoch = -1;

    /// <summary>Makes a plan.</summary>
    /// <param name="rowCount">Rows of the data set, 1 or more.</param>
    /// <param name="batchSize">Rows of a step, 1 or more; more than there are rows takes all of them once.</param>
    /// <param name="order">The order of rows.</param>
    /// <param name="seed">The seed of <see cref="BatchOrder.Shuffled"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public BatchPlan(int rowCount, int batchSize, BatchOrder order, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        _rowCount = rowCount;
        BatchSize = Math.Min(batchSize, rowCount);
        _order = order;
        _seed = seed;
    }

    /// <summary>Rows of a step: at most those of the data set.</summary>
    public int BatchSize { get; }

    /// <summary>The rows of one step.</summary>
    /// <param name="step">0-based.</param>
    /// <returns><see cref="BatchSize"/> row numbers, 0-based.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="step"/> is negative.</exception>
    public int[] RowsOf(int step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        int[] rows = new int[BatchSize];
        long first = (long)step * BatchSize;
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = RowAt(first + i);
        }
        return rows;
    }

    private int RowAt(long position)
    {
        (long epoch, long index) = Math.DivRem(position, _rowCount);
        return _order == BatchOrder.File ? (int)index : PermutationOf(epoch)[index];
    }

    private int[] PermutationOf(long epoch)
    {
        if (epoch != _permutationEpoch)
        {
            // One generator for each epoch: an epoch's order can be made without making those before it.
            ulong state = _seed;
            ulong mixedSeed = DeterministicRandom.SplitMix64(ref state);
            _permutation = new DeterministicRandom(mixedSeed + (ulong)epoch).NextPermutation(_rowCount);
            _permutationEpoch = epoch;
        }
        return _permutation;
    }
}
