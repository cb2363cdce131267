using System.Diagnostics;
using System.Net.Http.Json;
using AlignerOnnx.Serving;

namespace AlignerOnnx.ServerLoad;

/// <summary>Changes what one adapter's name and alias mean, through the server's API, and remembers what it did.</summary>
internal sealed class Swapper(Uri address, string[] packages, Random random) : IDisposable
{
    internal const string Name = "tone";
    internal const string Alias = "prod";
    private const int Kept = 50;

    private readonly AdapterClient _client = new(address);
    private readonly HttpClient _http = new() { BaseAddress = address };
    private readonly Dictionary<int, int> _contents = [];
    private readonly List<int> _present = [];
    private readonly VersionHistory _name = new();
    private readonly VersionHistory _alias = new();

    internal List<double> Milliseconds { get; } = [];

    internal int Published { get; private set; }

    internal VersionHistory History(bool alias) => alias ? _alias : _name;

    internal int ContentOf(int version) => _contents[version];

    internal async Task StartAsync()
    {
        await PublishAsync();
        await MoveAsync(alias: true, _name.Current);
    }

    internal async Task RunAsync(int swaps)
    {
        for (int i = 0; i < swaps; i++)
        {
            switch (random.Next(10))
            {
                case < 2:
                    await PublishAsync();
                    await DeleteOldestAsync();
                    break;
                case < 6:
                    await MoveAsync(alias: false, Another(_name.Current));
                    break;
                default:
                    await MoveAsync(alias: true, Another(_alias.Current));
                    break;
            }
            if ((i + 1) % 5000 == 0)
            {
                await Console.Error.WriteLineAsync($"{i + 1} swaps");
            }
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        _http.Dispose();
    }

    private async Task PublishAsync()
    {
        int current = _contents.Count == 0 ? -1 : _contents[_name.Current];
        int content = (current + 1 + random.Next(packages.Length - 1)) % packages.Length;
        long asked = Stopwatch.GetTimestamp();
        PublishedAdapter published = await _client.PushAsync(packages[content], Name, []);
        Confirm(_name, asked, published.Version);
        _contents.Add(published.Version, content);
        _present.Add(published.Version);
        Published++;
    }

    private async Task MoveAsync(bool alias, int version)
    {
        long asked = Stopwatch.GetTimestamp();
        using HttpResponseMessage answer = alias
            ? await _http.PutAsJsonAsync($"/v1/adapters/{Name}/aliases/{Alias}", new { version })
            : await _http.PostAsJsonAsync($"/v1/adapters/{Name}/rollback", new { version });
        answer.EnsureSuccessStatusCode();
        Confirm(History(alias), asked, version);
    }

    /// <summary>A history without an end would be the server's growth, and not its leak.</summary>
    private async Task DeleteOldestAsync()
    {
        int oldest = _present[0];
        if (_present.Count <= Kept || oldest == _name.Current || oldest == _alias.Current)
        {
            return;
        }
        using HttpResponseMessage answer = await _http.DeleteAsync(new Uri($"/v1/adapters/{Name}/versions/{oldest}", UriKind.Relative));
        answer.EnsureSuccessStatusCode();
        _present.RemoveAt(0);
    }

    private int Another(int version)
    {
        int[] others = [.. _present.Where(each => each != version)];
        return others.Length == 0 ? version : others[random.Next(others.Length)];
    }

    private void Confirm(VersionHistory history, long asked, int version)
    {
        long confirmed = Stopwatch.GetTimestamp();
        history.Changed(asked, confirmed, version);
        Milliseconds.Add(Stopwatch.GetElapsedTime(asked, confirmed).TotalMilliseconds);
    }
}
