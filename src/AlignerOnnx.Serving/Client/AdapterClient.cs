using System.Net.Http.Headers;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>Publishes adapters on a running server and fetches them from it.</summary>
public sealed class AdapterClient : IDisposable
{
    private readonly HttpClient _http;

    /// <summary>Makes a client.</summary>
    /// <param name="server">The server's address, such as http://127.0.0.1:5080.</param>
    /// <param name="apiKey">The key, where the server wants one.</param>
    public AdapterClient(Uri server, string? apiKey = null)
    {
        _http = new HttpClient { BaseAddress = server };
        if (apiKey is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
        }
    }

    /// <summary>Publishes an adapter as the name's new current version.</summary>
    /// <param name="adapter">An adapter folder or an .onnx_adapter file.</param>
    /// <param name="name">What the server calls it; null for the folder's or file's name.</param>
    /// <param name="aliases">Aliases that shall mean this version.</param>
    /// <param name="cancellation">Stops the upload.</param>
    /// <returns>The version that serves it now.</returns>
    /// <exception cref="AdapterRefusedException">It is no adapter, or the server refuses it.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async Task<PublishedAdapter> PushAsync(string adapter, string? name = null, IReadOnlyList<string>? aliases = null, CancellationToken cancellation = default)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(adapter));
        using MultipartFormDataContent body = [];
        body.Add(new StringContent(name ?? (File.Exists(full) ? Path.GetFileNameWithoutExtension(full) : Path.GetFileName(full))), "name");
        foreach (string alias in aliases ?? [])
        {
            body.Add(new StringContent(alias), "alias");
        }
        foreach (string file in FilesOf(full))
        {
            body.Add(new ByteArrayContent(await File.ReadAllBytesAsync(file, cancellation).ConfigureAwait(false)), "file", Path.GetFileName(file));
        }
        using HttpResponseMessage response = await _http.PostAsync(new Uri("/v1/adapters", UriKind.Relative), body, cancellation).ConfigureAwait(false);
        return ToPublished(await ReadAsync(response, full, cancellation).ConfigureAwait(false));
    }

    /// <summary>Fetches a version into a folder, complete or not at all, after checking every file against its hash.</summary>
    /// <param name="reference">NAME, NAME@VERSION or NAME@ALIAS.</param>
    /// <param name="output">The folder to make.</param>
    /// <param name="cancellation">Stops the download.</param>
    /// <returns>The version that was fetched.</returns>
    /// <exception cref="AdapterRefusedException">The server has no such adapter, or a file is damaged.</exception>
    /// <exception cref="IOException">The output is taken.</exception>
    public async Task<PublishedAdapter> PullAsync(string reference, string output, CancellationToken cancellation = default)
    {
        AdapterReference parsed = AdapterReference.Parse(reference);
        string adapter = PathOf(parsed.Name);
        string selector = parsed.Selector ?? (await GetAsync(adapter, reference, cancellation).ConfigureAwait(false)).GetProperty("current_version").GetRawText();
        string path = $"{adapter}/versions/{Uri.EscapeDataString(selector)}";
        JsonElement version = await GetAsync(path, reference, cancellation).ConfigureAwait(false);
        Dictionary<string, byte[]> files = [];
        foreach (JsonElement file in version.GetProperty("files").EnumerateArray())
        {
            string name = file.GetProperty("name").GetString()!;
            files.Add(name, await FetchAsync(path, name, file.GetProperty("sha256").GetString()!, cancellation).ConfigureAwait(false));
        }
        AtomicOutput.MakeFolder(output, folder =>
        {
            foreach ((string name, byte[] content) in files)
            {
                File.WriteAllBytes(Path.Combine(folder, name), content);
            }
        });
        return ToPublished(version);
    }

    /// <summary>The versions of an adapter, oldest first.</summary>
    /// <param name="name">What the server calls the adapter.</param>
    /// <param name="cancellation">Stops the request.</param>
    /// <exception cref="AdapterRefusedException">The server has no such adapter.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async Task<IReadOnlyList<VersionSummary>> ListVersionsAsync(string name, CancellationToken cancellation = default)
    {
        JsonElement adapter = await GetAsync(PathOf(name), name, cancellation).ConfigureAwait(false);
        JsonElement versions = await GetAsync($"{PathOf(name)}/versions", name, cancellation).ConfigureAwait(false);
        ILookup<int, string> aliases = adapter.GetProperty("aliases").EnumerateObject().ToLookup(alias => alias.Value.GetInt32(), alias => alias.Name);
        int current = adapter.GetProperty("current_version").GetInt32();
        return
        [
            .. versions.GetProperty("data").EnumerateArray().Select(version => (Published: ToPublished(version), Json: version)).OrderBy(each => each.Published.Version).Select(each => new VersionSummary(
                each.Published.Version, each.Published.Sha256, each.Published.Version == current, [.. aliases[each.Published.Version]],
                DateTimeOffset.FromUnixTimeSeconds(each.Json.GetProperty("created_at").GetInt64()), each.Json.GetProperty("origin").GetString()!)),
        ];
    }

    /// <summary>Makes an earlier version the current one again; requests that run end on the version they began with.</summary>
    /// <param name="name">What the server calls the adapter.</param>
    /// <param name="version">A version number or an alias; null for the one before the current one.</param>
    /// <param name="cancellation">Stops the request.</param>
    /// <returns>The number of the version that is current now.</returns>
    /// <exception cref="AdapterRefusedException">The server has no such adapter or version.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async Task<int> RollBackAsync(string name, string? version = null, CancellationToken cancellation = default)
    {
        using StringContent body = new(JsonSerializer.Serialize(new Dictionary<string, string?> { ["version"] = version }), System.Text.Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await _http.PostAsync(new Uri($"{PathOf(name)}/rollback", UriKind.Relative), body, cancellation).ConfigureAwait(false);
        return (await ReadAsync(response, name, cancellation).ConfigureAwait(false)).GetProperty("current_version").GetInt32();
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static string PathOf(string name) => $"/v1/adapters/{Uri.EscapeDataString(name)}";

    private async Task<byte[]> FetchAsync(string version, string name, string expected, CancellationToken cancellation)
    {
        if (!AdapterIntake.FileNames.Contains(name))
        {
            throw new AdapterRefusedException("The server names a file that no adapter has", name, null, string.Join(", ", AdapterIntake.FileNames), "ask the server's operator");
        }
        byte[] content = await _http.GetByteArrayAsync(new Uri($"{version}/files/{name}", UriKind.Relative), cancellation).ConfigureAwait(false);
        string found = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content));
        return found == expected ? content : throw new AdapterRefusedException("The file came damaged", name, found, expected, "fetch it again");
    }

    private async Task<JsonElement> GetAsync(string path, string what, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await _http.GetAsync(new Uri(path, UriKind.Relative), cancellation).ConfigureAwait(false);
        return await ReadAsync(response, what, cancellation).ConfigureAwait(false);
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, string what, CancellationToken cancellation)
    {
        string text = await response.Content.ReadAsStringAsync(cancellation).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
        {
            return JsonDocument.Parse(text).RootElement;
        }
        throw new AdapterRefusedException("The server refused", what, Message(text) ?? $"status {(int)response.StatusCode}");
    }

    private static string? Message(string body)
    {
        try
        {
            return JsonDocument.Parse(body).RootElement.GetProperty("error").GetProperty("message").GetString();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string[] FilesOf(string adapter)
    {
        if (File.Exists(adapter))
        {
            return [adapter];
        }
        string[] files = [.. AdapterIntake.FileNames.Select(name => Path.Combine(adapter, name)).Where(File.Exists)];
        return files is [] ? throw new AdapterRefusedException("There is no adapter", adapter, null, "an adapter folder or an .onnx_adapter file", "check the path") : files;
    }

    private static PublishedAdapter ToPublished(JsonElement version) =>
        new(version.GetProperty("adapter").GetString()!, version.GetProperty("version").GetInt32(), version.GetProperty("sha256").GetString()!);
}

/// <summary>A version on a server.</summary>
/// <param name="Name">The adapter.</param>
/// <param name="Version">Its number.</param>
/// <param name="Sha256">The hash over its files.</param>
public sealed record PublishedAdapter(string Name, int Version, string Sha256);

/// <summary>A version in an adapter's history.</summary>
/// <param name="Version">Its number.</param>
/// <param name="Sha256">The hash over its files.</param>
/// <param name="IsCurrent">Whether the adapter's name means it.</param>
/// <param name="Aliases">The aliases that mean it.</param>
/// <param name="Created">When it was published.</param>
/// <param name="Origin">How it came: an upload, the watched folder, a fine-tuning job.</param>
public sealed record VersionSummary(int Version, string Sha256, bool IsCurrent, IReadOnlyList<string> Aliases, DateTimeOffset Created, string Origin);
