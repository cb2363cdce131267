namespace AlignerOnnx.Training;

/// <summary>
/// The arrays that one run of the gradient graph reads: lines padded on the right to one length s, each with one row or, packed, several, and the m targets of all rows. Target i says: the
/// logits at flat position <c>TargetPositions[i]</c> (line * s + t) must predict <c>TargetIds[i]</c>, with weight <c>TargetWeights[i]</c> in the loss.
/// </summary>
public sealed class TrainingBatch
{
    private TrainingBatch(IReadOnlyList<TrainingExample> rows, int lines, int length, int targets)
    {
        LineCount = lines;
        Length = length;
        InputIds = new long[lines * length];
        AttentionMask = new long[lines * length];
        TargetPositions = new long[targets];
        TargetIds = new long[targets];
        TargetWeights = new float[targets];
        TargetRows = new int[targets];
        Places = [.. rows.Select(row => row.Place)];
    }

    /// <summary>Lines b.</summary>
    public int LineCount { get; }

    /// <summary>Length s: that of the longest row.</summary>
    public int Length { get; }

    /// <summary>Targets m, 1 or more.</summary>
    public int TargetCount => TargetIds.Length;

    /// <summary>Token ids [b, s], row by row.</summary>
    public long[] InputIds { get; }

    /// <summary>[b, s]: 0 = padding; else the number of the row within its line, from 1.</summary>
    public long[] AttentionMask { get; }

    /// <summary>[m]: the flat position whose logits predict the target, ascending.</summary>
    public long[] TargetPositions { get; }

    /// <summary>[m]: the token to predict.</summary>
    public long[] TargetIds { get; }

    /// <summary>[m]: the weight of the target's negative log-likelihood.</summary>
    public float[] TargetWeights { get; }

    /// <summary>[m]: the row that the target belongs to, as the rows were given.</summary>
    public int[] TargetRows { get; }

    /// <summary>What a preference graph reads of the batch besides; null for a batch without pairs.</summary>
    public PairTargets? Pairs { get; internal set; }

    /// <summary>Where each row stands in its file, for messages.</summary>
    public IReadOnlyList<string> Places { get; }

    /// <summary>Makes a batch. Each target weighs 1 / <paramref name="weightTotal"/>, so the loss is the exact mean over completion tokens, however they are spread over rows.</summary>
    /// <param name="rows">1 or more rows that together have a target.</param>
    /// <param name="paddingId">The token id of padding; its value has no effect, because padding is masked. Default 0.</param>
    /// <param name="weightTotal">What weights divide by; null (the default) takes the number of targets. Micro-batches give the number of targets of their whole batch.</param>
    /// <param name="pack">Whether short rows share a line, as long as the longest row. They do not see each other, so the loss is the same. Default false.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">There is no row or no target.</exception>
    public static TrainingBatch Create(IReadOnlyList<TrainingExample> rows, int paddingId = 0, int? weightTotal = null, bool pack = false)
    {
        ArgumentNullException.ThrowIfNull(rows);
        int targets = rows.Sum(row => row.TargetCount);
        if (targets == 0)
        {
            throw new ArgumentException("A batch needs at least one row with a completion token.", nameof(rows));
        }
        IReadOnlyList<RowPlace> places = pack ? RowPacking.Pack(rows) : [.. rows.Select((_, row) => new RowPlace(row, row, 0, 1))];
        TrainingBatch batch = new(rows, places.Max(place => place.Line) + 1, rows.Max(row => row.InputIds.Length), targets);
        Array.Fill(batch.InputIds, paddingId);
        Array.Fill(batch.TargetWeights, 1f / (weightTotal ?? targets));
        int next = 0;
        foreach (RowPlace place in places)
        {
            next = batch.Place(rows[place.Row], place.Row, (place.Line * batch.Length) + place.Start, place.Number, next);
        }
        return batch;
    }

    private int Place(TrainingExample example, int row, int offset, int number, int next)
    {
        for (int t = 0; t < example.InputIds.Length; t++)
        {
            InputIds[offset + t] = example.InputIds[t];
            AttentionMask[offset + t] = number;
            if (t > 0 && example.Labels[t] != TrainingExample.IgnoredLabel)
            {
                TargetPositions[next] = offset + t - 1;
                TargetRows[next] = row;
                TargetIds[next++] = example.Labels[t];
            }
        }
        return next;
    }
}
