using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Serving.Tests;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.ServerLoad;

/// <summary>What <see cref="SoakRun"/> does.</summary>
internal sealed record SoakOptions(string Model, int Clients, int Swaps, int Tokens, int Seed);

/// <summary>
/// One name and its alias change their version again and again (published anew, rolled back, alias moved, old versions deleted) while clients ask for
/// both. Each answer must be, word for word, the one that its version's values give alone, and that version must have been current while it was asked.
/// </summary>
internal static class SoakRun
{
    private const string Question = "Tell me where a pig lives.";
    private const int Contents = 8;

    internal static async Task<int> RunAsync(SoakOptions options)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            await using ServedModel server = await ServedModel.StartAsync(options.Model, Path.Combine(folder, "state"));
            (string[] packages, string[] expected) = await DistinctAsync(server, options, folder);
            using Swapper swapper = new(server.Address, packages, new Random(options.Seed));
            await swapper.StartAsync();

            await using MemoryWatch memory = new(server);
            using CancellationTokenSource end = new();
            ConcurrentQueue<(bool Alias, StreamedAnswer Answer)> answers = [];
            ConcurrentQueue<string> failures = [];
            Task[] clients = [.. Enumerable.Range(0, options.Clients).Select(client => ClientAsync(server, answers, failures, client % 2 == 1, options.Tokens, end.Token))];
            long start = Stopwatch.GetTimestamp();
            await swapper.RunAsync(options.Swaps);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            await end.CancelAsync();
            await Task.WhenAll(clients);
            return Report(options, swapper, expected, answers, failures, memory, elapsed);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Adapters that all answer differently, and what each answers alone: else a wrong version could not be seen.</summary>
    private static async Task<(string[] Packages, string[] Answers)> DistinctAsync(ServedModel server, SoakOptions options, string folder)
    {
        using AdapterClient client = new(server.Address);
        using HttpClient http = new() { BaseAddress = server.Address };
        Dictionary<string, string> packages = [];
        for (int seed = 1; packages.Count < Contents; seed++)
        {
            string name = $"content-{seed}";
            string package = Path.Combine(folder, name);
            SampleAdapter.Write(package, options.Model, seed);
            await client.PushAsync(package, name, []);
            packages.TryAdd((await StreamedAnswer.AskAsync(http, new Variant(name), Question, options.Tokens)).Text, package);
        }
        return ([.. packages.Values], [.. packages.Keys]);
    }

    private static async Task ClientAsync(ServedModel server, ConcurrentQueue<(bool, StreamedAnswer)> answers, ConcurrentQueue<string> failures, bool alias, int tokens, CancellationToken end)
    {
        using HttpClient http = new() { BaseAddress = server.Address };
        Variant variant = new(alias ? $"{Swapper.Name}@{Swapper.Alias}" : Swapper.Name);
        while (!end.IsCancellationRequested)
        {
            try
            {
                answers.Enqueue((alias, await StreamedAnswer.AskAsync(http, variant, Question, tokens)));
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                failures.Enqueue(e.Message);
            }
        }
    }

    private static int Report(
        SoakOptions options, Swapper swapper, string[] expected, ConcurrentQueue<(bool Alias, StreamedAnswer Answer)> answers, ConcurrentQueue<string> failures, MemoryWatch memory, TimeSpan elapsed)
    {
        int wrongText = answers.Count(each => each.Answer.Text != expected[swapper.ContentOf(VersionOf(each.Answer))]);
        int wrongVersion = answers.Count(each => !swapper.History(each.Alias).WasCurrent(VersionOf(each.Answer), each.Answer.Asked, each.Answer.First));
        (double early, double late, double most) = memory.Summary;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            seed {options.Seed}; {elapsed.TotalMinutes:F1} minutes

            | swaps | of them published | swap, ms: p50 / p99 | clients | answers | of another version's text | of a version not current | failed | memory, MB: early / late / most |
            |---|---|---|---|---|---|---|---|---|
            | {options.Swaps:N0} | {swapper.Published:N0} | {Percentile.Of(swapper.Milliseconds, 50):F1} / {Percentile.Of(swapper.Milliseconds, 99):F1} | {options.Clients} | {answers.Count:N0} | {wrongText} | {wrongVersion} | {failures.Count} | {early:N0} / {late:N0} / {most:N0} |

            """));
        foreach (string failure in failures.Distinct().Take(10))
        {
            Console.WriteLine($"failed: {failure}");
        }
        return wrongText + wrongVersion + failures.Count == 0 ? 0 : 1;
    }

    /// <summary>The version in <c>fp_tone@17:4f1c...</c>.</summary>
    private static int VersionOf(StreamedAnswer answer)
    {
        int at = answer.Fingerprint.IndexOf('@', StringComparison.Ordinal);
        return int.Parse(answer.Fingerprint.AsSpan((at + 1)..answer.Fingerprint.IndexOf(':', StringComparison.Ordinal)), CultureInfo.InvariantCulture);
    }
}
