namespace AlignerOnnx.Training;

/// <summary>
/// The arrays that one run of the gradient graph reads: rows padded on the right to one length s, and the m targets of all rows. Target i says: the
/// logits at flat position <c>TargetPositions[i]</c> (row * s + t) must predict <c>TargetIds[i]</c>, with weight <c>TargetWeights[i]</c> in the loss.
/// </summary>
public sealed class TrainingBatch
{
    private TrainingBatch(IReadOnlyList<TrainingExample> rows, int length, int targets)
    {
        RowCount = rows.Count;
        Length = length;
        InputIds = new long[rows.Count * length];
        AttentionMask = new long[rows.Count * length];
        TargetPositions = new long[targets];
        TargetIds = new long[targets];
        TargetWeights = new float[targets];
        Places = [.. rows.Select(row => row.Place)];
    }

    /// <summary>Rows b.</summary>
    public int RowCount { get; }

    /// <summary>Length s: that of the longest row.</summary>
    public int Length { get; }

    /// <summary>Targets m, 1 or more.</summary>
    public int TargetCount => TargetIds.Length;

    /// <summary>Token ids [b, s], row by row.</summary>
    public long[] InputIds { get; }

    /// <summary>[b, s]: 1 = real token, 0 = padding.</summary>
    public long[] AttentionMask { get; }

    /// <summary>[m]: the flat position whose logits predict the target, ascending.</summary>
    public long[] TargetPositions { get; }

    /// <summary>[m]: the token to predict.</summary>
    public long[] TargetIds { get; }

    /// <summary>[m]: the weight of the target's negative log-likelihood.</summary>
    public float[] TargetWeights { get; }

    /// <summary>Where each row stands in its file, for messages.</summary>
    public IReadOnlyList<string> Places { get; }

    /// <summary>Packs rows. Each target weighs 1 / <paramref name="weightTotal"/>, so the loss is the exact mean over completion tokens, however they are spread over rows.</summary>
    /// <param name="rows">1 or more rows that together have a target.</param>
    /// <param name="paddingId">The token id of padding; its value has no effect, because padding is masked. Default 0.</param>
    /// <param name="weightTotal">What weights divide by; null (the default) takes the number of targets. Micro-batches give the number of targets of their whole batch.</param>
    /// <returns>The batch.</returns>
    /// <exception cref="ArgumentException">There is no row or no target.</exception>
    public static TrainingBatch Create(IReadOnlyList<TrainingExample> rows, int paddingId = 0, int? weightTotal = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        int targets = rows.Sum(row => row.TargetCount);
        if (targets == 0)
        {
            throw new ArgumentException("A batch needs at least one row with a completion token.", nameof(rows));
        }
        TrainingBatch batch = new(rows, rows.Max(row => row.InputIds.Length), targets);
        Array.Fill(batch.InputIds, paddingId);
        Array.Fill(batch.TargetWeights, 1f / (weightTotal ?? targets));
        int next = 0;
        for (int row = 0; row < rows.Count; row++)
        {
            next = batch.Place(rows[row], row * batch.Length, next);
        }
        return batch;
    }

    private int Place(TrainingExample example, int offset, int next)
    {
        for (int t = 0; t < example.InputIds.Length; t++)
        {
            InputIds[offset + t] = example.InputIds[t];
            AttentionMask[offset + t] = 1;
            if (t > 0 && example.Labels[t] != TrainingExample.IgnoredLabel)
            {
                TargetPositions[next] = offset + t - 1;
                TargetIds[next++] = example.Labels[t];
            }
        }
        return next;
    }
}
