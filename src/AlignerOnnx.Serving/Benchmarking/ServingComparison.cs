namespace AlignerOnnx.Serving;

/// <summary>What <see cref="ServingBenchmark"/> measured; every figure is a median over the rounds, every ratio one within rounds.</summary>
/// <param name="Lines">A line for each number of clients and each way.</param>
/// <param name="DifferentAdapters">Throughput of 4 clients with different adapters against the same adapter for all.</param>
/// <param name="Control">Throughput of 4 clients with different adapters against itself.</param>
/// <param name="EightClients">Throughput of 8 clients against one.</param>
/// <param name="Runs">Counted rounds.</param>
public sealed record ServingComparison(IReadOnlyList<ServingLine> Lines, double DifferentAdapters, double Control, double EightClients, int Runs)
{
    internal const string Batch = "continuous batch, different adapters";
    internal const string ControlWay = "continuous batch again (control)";
    internal const string SameAdapter = "continuous batch, one adapter for all";
    internal const string Generators = "a generator a request";
    internal const string Waves = "a generator a wave";

    internal static ServingComparison Of(IReadOnlyList<int> clients, IReadOnlyList<string> ways, IReadOnlyList<IReadOnlyDictionary<(string Way, int Clients), RoundResult>> rounds)
    {
        double Ratio(string way, int many, string against, int few) => Median(rounds.Select(round => round[(way, many)].TokensPerSecond / round[(against, few)].TokensPerSecond));
        ServingLine[] lines = [.. clients.SelectMany(count => ways.Select(way => new ServingLine(count, way,
            Median(rounds.Select(round => round[(way, count)].TokensPerSecond)), Median(rounds.Select(round => round[(way, count)].FirstTokenMilliseconds)), Ratio(Batch, count, way, count))))];
        return new ServingComparison(lines, Ratio(Batch, 4, SameAdapter, 4), Ratio(Batch, 4, ControlWay, 4), Ratio(Batch, 8, Batch, 1), rounds.Count);
    }

    internal static double Median(IEnumerable<double> numbers)
    {
        double[] sorted = [.. numbers.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>One way with one number of clients.</summary>
/// <param name="Clients">Clients at the same time.</param>
/// <param name="Way">How they were answered.</param>
/// <param name="TokensPerSecond">New tokens of all clients.</param>
/// <param name="FirstTokenMilliseconds">From a request to its first token.</param>
/// <param name="BatchAgainstIt">Throughput of the continuous batch with different adapters against this way.</param>
public sealed record ServingLine(int Clients, string Way, double TokensPerSecond, double FirstTokenMilliseconds, double BatchAgainstIt);
