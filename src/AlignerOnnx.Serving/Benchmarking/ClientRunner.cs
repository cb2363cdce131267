using System.Diagnostics;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Clients at the same time, each sending its next request when it has the answer to the last one.</summary>
internal static class ClientRunner
{
    internal static RoundResult Run(ChatModel model, Workload work, Func<int, string> adapterOf, IReadOnlyDictionary<int, float> endless)
    {
        long started = Stopwatch.GetTimestamp();
        double[][] firstTokens = Task.WhenAll(work.Requests.Select((requests, client) => Task.Run(() => ClientAsync(model, requests, adapterOf(client), endless)))).GetAwaiter().GetResult();
        return RoundResult.Of(work, Stopwatch.GetElapsedTime(started), firstTokens.SelectMany(times => times));
    }

    private static async Task<double[]> ClientAsync(ChatModel model, IReadOnlyList<(int[] Prompt, int Answer)> requests, string adapter, IReadOnlyDictionary<int, float> endless)
    {
        List<double> firstTokens = [];
        foreach ((int[] prompt, int answer) in requests)
        {
            long sent = Stopwatch.GetTimestamp();
            int produced = 0;
            GenerationRequest request = new() { PromptIds = prompt, Adapter = adapter, MaxNewTokens = answer, Temperature = 0, LogitBias = endless };
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
