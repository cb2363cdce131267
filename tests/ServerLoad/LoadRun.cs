using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Serving.Tests;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.ServerLoad;

/// <summary>What <see cref="LoadRun"/> does.</summary>
internal sealed record LoadOptions(string Model, int Clients, TimeSpan Time, bool Kill, int Tokens, int Seed);

/// <summary>
/// Clients ask without a pause: the base model, four adapters and a blend, mixed at random. Every answer must be the one that the server gave to the same
/// question alone, before the load (on the embedded float32 model; quantised models may round a batch differently, so there differences are only counted).
/// </summary>
internal static class LoadRun
{
    private static readonly string[] Questions =
        ["Tell me where a pig lives.", "What is the capital of France?", "Where does a cow live?", "What color is the sky?", "Tell me where a horse lives."];

    internal static async Task<int> RunAsync(LoadOptions options)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            await using ServedModel server = await ServedModel.StartAsync(options.Model, Path.Combine(folder, "state"));
            Variant[] variants = await PublishAsync(server, options.Model, folder);
            Tally tally = new(await ExpectedAsync(server, variants, options.Tokens));
            await using MemoryWatch memory = new(server);
            long start = Stopwatch.GetTimestamp();
            Task[] clients = [.. Enumerable.Range(0, options.Clients).Select(client => ClientAsync(server, variants, tally, new Random(options.Seed + client), start, options))];
            if (options.Kill)
            {
                await Task.Delay(options.Time / 2);
                await tally.OutageAsync(server.KillAndRestartAsync);
            }
            await Task.WhenAll(clients);
            return Report(options, tally, memory, Stopwatch.GetElapsedTime(start));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Variant[]> PublishAsync(ServedModel server, string model, string folder)
    {
        using AdapterClient client = new(server.Address);
        string[] names = ["red", "green", "blue", "white"];
        foreach ((int number, string name) in names.Index())
        {
            SampleAdapter.Write(Path.Combine(folder, name), model, number + 1);
            await client.PushAsync(Path.Combine(folder, name), name, []);
        }
        return [new Variant("base"), .. names.Select(name => new Variant(name)), new Variant("base", [new { id = "red", scale = 0.5 }, new { id = "blue", scale = 0.5 }])];
    }

    private static async Task<Dictionary<(Variant, string), string>> ExpectedAsync(ServedModel server, Variant[] variants, int tokens)
    {
        using HttpClient http = new() { BaseAddress = server.Address };
        Dictionary<(Variant, string), string> expected = [];
        foreach (Variant variant in variants)
        {
            foreach (string question in Questions)
            {
                expected.Add((variant, question), (await StreamedAnswer.AskAsync(http, variant, question, tokens)).Text);
            }
        }
        return expected;
    }

    private static async Task ClientAsync(ServedModel server, Variant[] variants, Tally tally, Random random, long start, LoadOptions options)
    {
        using HttpClient http = new() { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(5) };
        while (Stopwatch.GetElapsedTime(start) < options.Time)
        {
            Variant variant = variants[random.Next(variants.Length)];
            string question = Questions[random.Next(Questions.Length)];
            long asked = Stopwatch.GetTimestamp();
            try
            {
                tally.Answered(variant, question, await StreamedAnswer.AskAsync(http, variant, question, options.Tokens));
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TaskCanceledException)
            {
                if (tally.Failed(asked, e))
                {
                    // The server is down: ask again as soon as it may be there.
                    await Task.Delay(100);
                }
            }
        }
    }

    private static int Report(LoadOptions options, Tally tally, MemoryWatch memory, TimeSpan elapsed)
    {
        StreamedAnswer[] answers = [.. tally.Answers];
        double[] first = [.. answers.Select(answer => answer.FirstMs)];
        double[] each = [.. answers.Select(answer => answer.EachMs).Where(double.IsFinite)];
        (double early, double late, double most) = memory.Summary;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            seed {options.Seed}; {elapsed.TotalMinutes:F1} minutes

            | clients | answers | tokens/s | first token, ms: p50 / p99 | each further token, ms: p50 / p99 | other answers than alone | failed | failed while killed | memory, MB: early / late / most |
            |---|---|---|---|---|---|---|---|---|
            | {options.Clients} | {answers.Length:N0} | {answers.Sum(answer => answer.Pieces) / elapsed.TotalSeconds:N0} | {Percentile.Of(first, 50):N1} / {Percentile.Of(first, 99):N1} | {Percentile.Of(each, 50):N2} / {Percentile.Of(each, 99):N2} | {tally.Different} | {tally.Failures.Count} | {tally.FailedInOutage} | {early:N0} / {late:N0} / {most:N0} |

            """));
        if (tally.OutageLength is { } outage)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Killed and started again: {outage.TotalSeconds:F1} s until it listened."));
        }
        foreach (string failure in tally.Failures.Distinct().Take(10))
        {
            Console.WriteLine($"failed: {failure}");
        }
        return tally.Failures.IsEmpty && (tally.Different == 0 || !options.Model.Contains("fp32", StringComparison.Ordinal)) ? 0 : 1;
    }

    /// <summary>What came of the requests; used by all clients.</summary>
    private sealed class Tally(Dictionary<(Variant, string), string> expected)
    {
        private int _different;
        private int _failedInOutage;
        private long _outageStart = long.MaxValue;
        private long _outageEnd = long.MaxValue;

        internal ConcurrentQueue<StreamedAnswer> Answers { get; } = [];

        internal ConcurrentQueue<string> Failures { get; } = [];

        internal int Different => _different;

        internal int FailedInOutage => _failedInOutage;

        internal TimeSpan? OutageLength => _outageEnd == long.MaxValue ? null : Stopwatch.GetElapsedTime(_outageStart, _outageEnd);

        internal void Answered(Variant variant, string question, StreamedAnswer answer)
        {
            // The text was compared; keeping every one would be the client's own leak.
            Answers.Enqueue(answer with { Text = "" });
            if (answer.Text != expected[(variant, question)])
            {
                Interlocked.Increment(ref _different);
            }
        }

        /// <summary>Counts a failure. True where the server was down meanwhile.</summary>
        internal bool Failed(long asked, Exception failure)
        {
            if (Volatile.Read(ref _outageStart) != long.MaxValue && asked <= Volatile.Read(ref _outageEnd))
            {
                Interlocked.Increment(ref _failedInOutage);
                return true;
            }
            Failures.Enqueue(failure.Message);
            return false;
        }

        internal async Task OutageAsync(Func<Task> restart)
        {
            Volatile.Write(ref _outageStart, Stopwatch.GetTimestamp());
            await restart();
            Volatile.Write(ref _outageEnd, Stopwatch.GetTimestamp());
        }
    }
}
