using System.Collections.Concurrent;
using System.Diagnostics;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Clients at the same time, each sending its next request when it has the answer to the last one.</summary>
internal static class ClientRunner
{
    internal static RoundResult Run(ChatModel model, Workload work, Func<int, string> adapterOf, IReadOnlyDictionary<int, float> endless)
    {
        ConcurrentQueue<(int[] Prompt, int Answer)> waiting = new(work.Requests);
        long started = Stopwatch.GetTimestamp();
        double[][] firstTokens = Task.WhenAll(Enumerable.Range(0, work.Clients).Select(client => Task.Run(() => ClientAsync(model, waiting, adapterOf(client), endless)))).GetAwaiter().GetResult();
        return RoundResult.Of(work, Stopwatch.GetElapsedTime(started), firstTokens.SelectMany(times => times));
    }

    private static async Task<double[]> ClientAsync(ChatModel model, ConcurrentQueue<(int[] Prompt, int Answer)> waiting, string adapter, IReadOnlyDictionary<int, float> endless)
    {
        List<double> firstTokens = [];
        while (waiting.TryDequeue(out (int[] Prompt, int Answer) next))
        {
            long sent = Stopwatch.GetTimestamp();
            int produced = 0;
            GenerationRequest request = new() { PromptIds = next.Prompt, Adapter = adapter, MaxNewTokens = next.Answer, Temperature = 0, LogitBias = endless };
            await foreach (GeneratedToken _ in model.GenerateAsync(request))
            {
                if (produced++ == 0)
                {
                    firstTokens.Add(Stopwatch.GetElapsedTime(sent).TotalMilliseconds);
                }
            }
        }
        return [.. firstTokens];
    }
}
