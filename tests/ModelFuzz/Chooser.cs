namespace AlignerOnnx.ModelFuzz;

/// <summary>Chooses the model to change: small ones more often, so that as much time goes into each.</summary>
internal sealed class Chooser
{
    private readonly IReadOnlyList<Seed> _seeds;
    private readonly double[] _sums;

    public Chooser(IReadOnlyList<Seed> seeds)
    {
        _seeds = seeds;
        _sums = new double[seeds.Count];
        double sum = 0;
        for (int i = 0; i < seeds.Count; i++)
        {
            // A small layer takes no less than reading and writing a few files does; following elements through a large one takes more than its size.
            _sums[i] = sum += 1.0 / Math.Pow(5_000 + seeds[i].Model.Length, 2);
        }
    }

    public Seed Next(Random random)
    {
        int at = Array.BinarySearch(_sums, random.NextDouble() * _sums[^1]);
        return _seeds[Math.Min(at < 0 ? ~at : at, _seeds.Count - 1)];
    }
}
