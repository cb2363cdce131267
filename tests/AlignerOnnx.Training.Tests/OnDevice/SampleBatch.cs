namespace AlignerOnnx.Training.Tests.OnDevice;

/// <summary>Batches of three short rows of numbers that every model here has as tokens.</summary>
internal static class SampleBatch
{
    public static TrainingBatch Of(int number) => TrainingBatch.Create([.. new[] { 12, 9, 14 }.Select((length, row) =>
    {
        int[] ids = [.. Enumerable.Range(0, length).Select(t => 5 + (((t * 31) + (row * 57) + (number * 101)) % 290))];
        return new TrainingExample(ids, [.. ids.Select((id, t) => t < 4 ? -100 : id)]);
    })]);
}
