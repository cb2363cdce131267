namespace AlignerOnnx.ServerLoad;

/// <summary>Percentiles by the nearest rank.</summary>
internal static class Percentile
{
    internal static double Of(IReadOnlyCollection<double> values, double percent)
    {
        if (values.Count == 0)
        {
            return double.NaN;
        }
        double[] sorted = [.. values.Order()];
        return sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }
}
