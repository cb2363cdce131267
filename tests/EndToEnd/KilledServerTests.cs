using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using AlignerOnnx.Serving;
using AlignerOnnx.Serving.Tests;

namespace AlignerOnnx.EndToEnd;

/// <summary>
/// A server that is killed at a random moment while adapters are published, rolled back and deleted: after each restart everything that was confirmed is
/// there, every file is whole, and the current version answers. ALIGNER_KILLS sets how often; the figure in docs/serving.md is of 50.
/// </summary>
[TestClass]
public sealed class KilledServerTests
{
    private static readonly int Kills = int.Parse(Environment.GetEnvironmentVariable("ALIGNER_KILLS") ?? "2", CultureInfo.InvariantCulture);

    private readonly string _folder = Material.NewTemporaryFolder();
    private readonly Dictionary<int, string> _confirmed = [];
    private readonly HashSet<int> _deleting = [];
    private readonly TaskCompletionSource _firstConfirmed = new();

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public async Task Kill_WhilePublishing_LeavesAConsistentRegistry()
    {
        int seed = Environment.TickCount;
        Console.WriteLine($"seed {seed}, {Kills} kills");
        Random random = new(seed);
        string[] packages = [.. Enumerable.Range(0, 4).Select(WritePackage)];
        for (int kill = 0; kill <= Kills; kill++)
        {
            (Process server, Uri address) = await AlignerProcess.ServeAsync(["serve", Material.Pocket(), "--state", Path.Combine(_folder, "state"), "--urls", "http://127.0.0.1:0", "--name", "pocket"]);
            await CheckAsync(address);
            Task work = WorkAsync(address, packages, random);
            if (kill == 0)
            {
                // However slow the machine is, something must have been confirmed that a kill could lose.
                await Task.WhenAny(_firstConfirmed.Task, work);
            }
            await Task.Delay(random.Next(5, 400));
            await AlignerProcess.KillAsync(server);
            await work;
        }
        Assert.IsNotEmpty(_confirmed);
    }

    /// <summary>Changes the registry until the server is gone.</summary>
    private async Task WorkAsync(Uri address, string[] packages, Random random)
    {
        using AdapterClient client = new(address);
        using HttpClient http = new() { BaseAddress = address };
        try
        {
            while (true)
            {
                PublishedAdapter published = await client.PushAsync(packages[random.Next(packages.Length)], "tone", ["prod"]);
                _confirmed[published.Version] = published.Sha256;
                _firstConfirmed.TrySetResult();
                using HttpResponseMessage back = await http.PostAsJsonAsync("/v1/adapters/tone/rollback", new { version = "prod" });
                int[] old = [.. _confirmed.Keys.Where(version => version != published.Version)];
                if (old.Length > 3)
                {
                    int victim = old[random.Next(old.Length)];
                    _deleting.Add(victim);
                    using HttpResponseMessage deleted = await http.DeleteAsync(new Uri($"/v1/adapters/tone/versions/{victim}", UriKind.Relative));
                    if (deleted.IsSuccessStatusCode)
                    {
                        _confirmed.Remove(victim);
                    }
                }
            }
        }
        catch (HttpRequestException)
        {
            // The server was killed.
        }
    }

    private async Task CheckAsync(Uri address)
    {
        using HttpClient http = new() { BaseAddress = address };
        JsonElement[] adapters = [.. (await http.GetFromJsonAsync<JsonElement>("/v1/adapters")).GetProperty("data").EnumerateArray()];
        if (adapters is [])
        {
            Assert.IsEmpty(_confirmed);
            return;
        }
        JsonElement[] versions = [.. (await http.GetFromJsonAsync<JsonElement>("/v1/adapters/tone/versions")).GetProperty("data").EnumerateArray()];
        Dictionary<int, string> found = versions.ToDictionary(version => version.GetProperty("version").GetInt32(), version => version.GetProperty("sha256").GetString()!);
        foreach ((int version, string sha256) in _confirmed.Where(pair => !_deleting.Contains(pair.Key)))
        {
            Assert.AreEqual(sha256, found.GetValueOrDefault(version), $"version {version}");
        }
        await CheckFilesAsync(http, versions);
        int current = adapters.Single().GetProperty("current_version").GetInt32();
        using HttpResponseMessage answer = await http.PostAsJsonAsync("/v1/chat/completions", new { model = "tone", max_tokens = 4, messages = new[] { new { role = "user", content = "Hi" } } });
        JsonElement body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.StartsWith($"fp_tone@{current}:{found[current][..12]}", body.GetProperty("system_fingerprint").GetString()!);
        // What was asked for but not confirmed may or may not have happened; from here on the registry's word counts.
        _deleting.Clear();
        foreach (int version in _confirmed.Keys.Except(found.Keys).ToArray())
        {
            _confirmed.Remove(version);
        }
    }

    private async Task CheckFilesAsync(HttpClient http, JsonElement[] versions)
    {
        HashSet<string> hashes = [];
        foreach (JsonElement version in versions)
        {
            foreach (JsonElement file in version.GetProperty("files").EnumerateArray())
            {
                string hash = file.GetProperty("sha256").GetString()!;
                hashes.Add(hash);
                byte[] content = await http.GetByteArrayAsync(new Uri($"/v1/adapters/tone/versions/{version.GetProperty("version").GetInt32()}/files/{file.GetProperty("name").GetString()}", UriKind.Relative));
                Assert.AreEqual(hash, Convert.ToHexStringLower(SHA256.HashData(content)));
            }
        }
        string[] stored = [.. Directory.GetFiles(Path.Combine(_folder, "state", "blobs"), "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file))];
        CollectionAssert.AreEquivalent(hashes.ToArray(), stored, "files that no version refers to");
        Assert.IsFalse(Directory.Exists(Path.Combine(_folder, "state", "staging")) && Directory.GetFileSystemEntries(Path.Combine(_folder, "state", "staging")).Length > 0);
    }

    private string WritePackage(int seed)
    {
        string folder = Path.Combine(_folder, $"package-{seed}");
        SampleAdapter.Write(folder, Material.Pocket(), seed);
        return folder;
    }
}
