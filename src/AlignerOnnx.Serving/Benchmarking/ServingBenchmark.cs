using System.Runtime.InteropServices;
using AlignerOnnx.GenAI;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.Serving;

/// <summary>
/// Compares the ways to answer many clients at once, each with an adapter of its own. In every round every way does the same work, in an order of its own; ratios are those within
/// rounds, and a control (the first way again) says how far from 1 noise alone gets.
/// </summary>
public static class ServingBenchmark
{
    private const int RequestsOfAClient = 3;
    private const int ShortestAnswer = 16;
    private const int LongestAnswer = 48;

    private static readonly int[] ClientNumbers = [1, 4, 8, 16];

    /// <summary>Measures a model.</summary>
    /// <param name="model">A model folder, patched for one token or not at all.</param>
    /// <param name="rounds">Counted rounds, at least 1; one more comes before them.</param>
    /// <param name="promptTokens">Tokens of a prompt, at least 1; no prompt begins as another does.</param>
    /// <param name="batchOnly">Whether generators and waves, which take most of the time, are left out.</param>
    /// <param name="batches">Batches side by side, 1 to 64; null for the library's own choice.</param>
    /// <param name="cancellation">Stops between measurements.</param>
    public static ServingComparison Run(string model, int rounds, int promptTokens, bool batchOnly, int? batches = null, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(promptTokens, 1);
        string patched = ModelCache.Patched(model, SlotLayout.OneToken);
        using BenchmarkAdapters adapters = new(patched, ClientNumbers.Max());
        using ChatModel batch = adapters.Open(new ChatModelOptions { MaxBatchRows = ClientNumbers.Max(), Batches = batches, PromptCacheBytes = 0 });
        using ChatModel? generators = batchOnly ? null : adapters.Open(new ChatModelOptions { Batching = false });
        using WaveRunner? waves = batchOnly ? null : new WaveRunner(patched, adapters.Deltas);
        Dictionary<int, float> endless = adapters.EndTokens.ToDictionary(id => id, _ => -100f);
        List<(string Name, Func<Workload, RoundResult> Run)> ways =
        [
            (ServingComparison.Batch, work => ClientRunner.Run(batch, work, index => adapters.Names[index], endless)),
            (ServingComparison.ControlWay, work => ClientRunner.Run(batch, work, index => adapters.Names[index], endless)),
            (ServingComparison.SameAdapter, work => ClientRunner.Run(batch, work, _ => adapters.Names[0], endless)),
        ];
        if (generators is not null && waves is not null)
        {
            ways.Add((ServingComparison.Generators, work => ClientRunner.Run(generators, work, index => adapters.Names[index], endless)));
            ways.Add((ServingComparison.Waves, waves.Run));
        }
        string[] names = [.. ways.Select(way => way.Name)];
        Random order = new(1);
        List<IReadOnlyDictionary<(string Way, int Clients), RoundResult>> all = [];
        for (int round = 0; round <= rounds; round++)
        {
            Dictionary<(string, int), RoundResult> results = [];
            foreach (int clients in ClientNumbers)
            {
                Workload work = Workload.Of(clients, RequestsOfAClient, promptTokens, ShortestAnswer, LongestAnswer, adapters.Vocabulary, seed: round);
                // Any order, not a rotation: what one way leaves in caches must not always fall to the same one.
                order.Shuffle(CollectionsMarshal.AsSpan(ways));
                foreach ((string name, Func<Workload, RoundResult> run) in ways)
                {
                    cancellation.ThrowIfCancellationRequested();
                    results[(name, clients)] = run(work);
                }
            }
            if (round > 0)
            {
                all.Add(results);
            }
        }
        return ServingComparison.Of(ClientNumbers, names, all);
    }
}

/// <summary>What clients ask for: whoever has an answer takes the next request, so that all are busy until the last ones.</summary>
/// <param name="Clients">How many they are.</param>
/// <param name="Requests">Prompts and lengths of answers.</param>
internal sealed record Workload(int Clients, IReadOnlyList<(int[] Prompt, int Answer)> Requests)
{
    internal int Tokens => Requests.Sum(request => request.Answer);

    internal static Workload Of(int clients, int requestsOfAClient, int prompt, int shortest, int longest, int vocabulary, int seed)
    {
        Random random = new(seed);
        return new Workload(clients, [.. Enumerable.Range(0, clients * requestsOfAClient).Select(_ =>
            (Enumerable.Range(0, prompt).Select(_ => random.Next(vocabulary / 10, vocabulary)).ToArray(), random.Next(shortest, longest + 1)))]);
    }
}

/// <summary>What one way did with one workload.</summary>
/// <param name="TokensPerSecond">New tokens of all clients, from the first request to the last token.</param>
/// <param name="FirstTokenMilliseconds">The median time from a request to its first token.</param>
internal sealed record RoundResult(double TokensPerSecond, double FirstTokenMilliseconds)
{
    internal static RoundResult Of(Workload work, TimeSpan time, IEnumerable<double> firstTokens) => new(work.Tokens / time.TotalSeconds, ServingComparison.Median(firstTokens));
}
