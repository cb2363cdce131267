namespace AlignerOnnx.Serving;

/// <summary>Generations that run side by side; each has a seed of its own, so the rows do not depend on their order.</summary>
internal static class SideBySide
{
    /// <summary>Makes rows.</summary>
    /// <param name="count">How many.</param>
    /// <param name="make">Makes the row of a number.</param>
    /// <param name="cancellation">Stops making them.</param>
    public static string[] Rows(int count, Func<int, string> make, CancellationToken cancellation)
    {
        string[] rows = new string[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancellation }, row => rows[row] = make(row));
        return rows;
    }
}
