using System.Text.Json;
using System.Text.RegularExpressions;
using AlignerOnnx.GenAI.Tests;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Serving.Tests;

/// <summary>Thousands of adapters on one server. ALIGNER_ADAPTERS sets how many; docs/serving.md tells of 10,000.</summary>
[TestClass]
public sealed partial class ManyAdaptersTests
{
    private static readonly int Count = int.Parse(Environment.GetEnvironmentVariable("ALIGNER_ADAPTERS") ?? "300", System.Globalization.CultureInfo.InvariantCulture);

    [TestMethod]
    [DataRow(10_000, DisplayName = "all resident")]
    [DataRow(50, DisplayName = "fewer places than adapters")]
    public async Task Published_EachAnswersAsItselfAndMemoryHoldsNoMoreThanAllowed(int places)
    {
        string folder = Material.NewTemporaryFolder();
        try
        {
            PatchedPocket.Write(Path.Combine(folder, "model"));
            string[] files = [.. Enumerable.Range(0, Count).Select(i => PatchedPocket.WriteAdapter(folder, PatchedPocket.RandomDelta(i)))];
            await using RunningServer server = await RunningServer.StartAsync(RunningServer.Pocket with { ModelFolder = Path.Combine(folder, "model"), BaseModelName = "pocket", MaxResidentAdapters = places });
            using AdapterClient client = new(server.Address);
            string[] hashes = new string[Count];
            for (int i = 0; i < Count; i++)
            {
                hashes[i] = (await client.PushAsync(files[i], $"tenant-{i}")).Sha256;
            }
            for (int i = 0; i < Count; i += Math.Max(1, Count / 150))
            {
                using HttpResponseMessage response = await server.PostAsync($"{{\"model\":\"tenant-{i}\",\"max_tokens\":1,\"messages\":[{{\"role\":\"user\",\"content\":\"Hi\"}}]}}");
                JsonElement body = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
                Assert.AreEqual($"fp_tenant-{i}@1:{hashes[i][..12]}", body.GetProperty("system_fingerprint").GetString());
            }
            string metrics = await server.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
            string resident = metrics.Split('\n').Single(line => line.StartsWith("aligner_server_resident_adapters ", StringComparison.Ordinal));
            Assert.AreEqual($"aligner_server_resident_adapters {Math.Min(places, Count)}", resident);
            string[] named = [.. AdapterId().Matches(metrics).Select(match => match.Groups[1].Value).Distinct()];
            Assert.AreEqual(100, named.Count(id => id.StartsWith("tenant-", StringComparison.Ordinal)), "adapters have a time series of their own up to a cap");
            Assert.Contains("other", named);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex("aligner_adapter_id=\"([^\"]*)\"")]
    private static partial Regex AdapterId();
}
