namespace AlignerOnnx.TestMaterial;

/// <summary>The pairs of a golden case as one batch: rows 2k and 2k + 1 are the preferred and the other answer of pair k.</summary>
public sealed record PairBatch(long[] InputIds, long[] Mask, long[] Shape, long[] Positions, long[] Ids, long[] Sequences)
{
    public int Pairs => (int)Shape[0] / 2;

    public static PairBatch Of(GoldenCase golden)
    {
        int length = (int)golden.Shape("dpo.chosen_input_ids")[1];
        long[] labels = Interleave(golden, "labels", length);
        int[] targets = [.. Enumerable.Range(0, labels.Length).Where(index => labels[index] != -100 && index % length != 0)];
        return new PairBatch(
            Interleave(golden, "input_ids", length),
            Interleave(golden, "attention_mask", length),
            [labels.Length / length, length],
            [.. targets.Select(index => index - 1L)],
            [.. targets.Select(index => labels[index])],
            [.. targets.Select(index => (long)(index / length))]);
    }

    /// <summary>The log-probabilities of the reference that a case names, sequence by sequence.</summary>
    public static float[] References(GoldenCase golden, string reference) => Interleave(golden.Singles($"dpo.{reference}.ref_chosen_logps"), golden.Singles($"dpo.{reference}.ref_rejected_logps"), 1);

    /// <summary>The rewards of a case, sequence by sequence.</summary>
    public static float[] Rewards(GoldenCase golden, string reference) => Interleave(golden.Singles($"dpo.{reference}.rewards_chosen"), golden.Singles($"dpo.{reference}.rewards_rejected"), 1);

    /// <summary>The inputs of a preference graph.</summary>
    /// <param name="reference">Log-probability of each sequence by the reference.</param>
    /// <param name="supervised">The weight of each target in the supervised term.</param>
    public (string Name, Array Data, long[] Shape)[] Inputs(float[] reference, float supervised = 0) =>
    [
        ("input_ids", InputIds, Shape),
        ("attention_mask", Mask, Shape),
        ("target_positions", Positions, [Positions.Length]),
        ("target_ids", Ids, [Positions.Length]),
        ("target_weights", Positions.Select(_ => supervised).ToArray(), [Positions.Length]),
        ("target_sequences", Sequences, [Positions.Length]),
        ("sequence_weights", Positions.Select(_ => 1f).ToArray(), [Positions.Length]),
        ("reference_log_probabilities", reference, [reference.Length]),
        ("pair_weights", Enumerable.Repeat(1f / Pairs, Pairs).ToArray(), [Pairs]),
        ("kept_log_probabilities", new float[Positions.Length], [Positions.Length]),
        ("kept_weights", new float[Positions.Length], [Positions.Length]),
    ];

    private static long[] Interleave(GoldenCase golden, string array, int length) => Interleave(golden.Int64s($"dpo.chosen_{array}"), golden.Int64s($"dpo.rejected_{array}"), length);

    private static T[] Interleave<T>(T[] chosen, T[] rejected, int length) => [.. chosen.Chunk(length).Zip(rejected.Chunk(length)).SelectMany(pair => pair.First.Concat(pair.Second))];
}
