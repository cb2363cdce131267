
namespace AlignerOnnx.TestMaterial;

/// <summary>The targets of a golden batch: label t is predicted at place t - 1, each with the same weight.</summary>
public sealed record TargetBatch(long[] Positions, long[] Ids, float[] Weights)
{
    public static TargetBatch Of(GoldenCase golden)
    {
        long[] labels = golden.Int64s("labels");
        long length = golden.Shape("labels")[1];
        (long Position, long Id)[] targets = [.. labels.Select((id, index) => (index - 1L, id)).Where(target => target.id != -100 && (target.Item1 + 1) % length != 0)];
        return new TargetBatch(
            [.. targets.Select(target => target.Position)],
            [.. targets.Select(target => target.Id)],
            [.. targets.Select(_ => 1f / targets.Length)]);
    }
}
