using System.Security.Cryptography;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>
/// Publishes what appears or changes in a folder of adapters, under the folder's or file's name, and unloads what goes away. It looks every second: that
/// works on every file system, and nothing is read that has not changed. An adapter still being copied is taken once it has stopped changing.
/// </summary>
internal sealed partial class WatchedFolder(AdapterRegistry registry, string folder, ILogger<WatchedFolder> logger) : ServerLoop
{
    private const string Origin = "folder";

    private readonly Dictionary<string, string> _taken = new(StringComparer.Ordinal);
    private Dictionary<string, string> _seen = new(StringComparer.Ordinal);

    /// <summary>Publishes everything that is there; what cannot be used is an error here, before the server starts.</summary>
    /// <exception cref="RefusedException">The folder does not exist, or an adapter in it is refused.</exception>
    internal void TakeAll()
    {
        _seen = Look();
        foreach (string path in _seen.Keys)
        {
            // What the folder held at the last start may have been rolled back or unloaded since; that stands.
            if (LastOfFolder(NameOf(path)) is not { } last || last.Digest != DigestOf(path))
            {
                TakeAtStart(path);
            }
            _taken[path] = _seen[path];
        }
        UnloadMissing();
    }

    protected override async Task RunAsync(CancellationToken stoppingToken)
    {
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1));
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
#pragma warning disable CA1031 // A folder that cannot be read now may be read later; the server goes on.
            try
            {
                TakeChanges();
            }
            catch (Exception e)
#pragma warning restore CA1031
            {
                LogUnreadable(logger, folder, e.Message);
            }
        }
    }

    private void TakeChanges()
    {
        Dictionary<string, string> now = Look();
        foreach ((string path, string stamp) in now)
        {
            bool settled = _seen.GetValueOrDefault(path) == stamp;
            if (settled && _taken.GetValueOrDefault(path) != stamp)
            {
                _taken[path] = stamp;
                TryTake(path);
            }
        }
        foreach (string gone in _taken.Keys.Except(now.Keys).ToArray())
        {
            _taken.Remove(gone);
        }
        _seen = now;
        UnloadMissing();
    }

    private void TryTake(string path)
    {
        try
        {
            LogTaken(logger, Take(path).Id, folder);
        }
        catch (Exception e) when (e is RefusedException or ApiException or IOException or UnauthorizedAccessException)
        {
            LogRefused(logger, path, e.Message);
        }
    }

    private void TakeAtStart(string path)
    {
        try
        {
            Take(path);
        }
        catch (RefusedException e)
        {
            throw new AdapterRefusedException(e.What, e.Where is null || e.Where == path ? path : $"{path}, {e.Where}", e.Found, e.Expected, e.Remedy, e);
        }
        catch (ApiException e)
        {
            throw new AdapterRefusedException("The adapter cannot be served", path, e.Message, remedy: "rename it, or move it out of the folder", inner: e);
        }
    }

    private AdapterVersion Take(string path)
    {
        RequireOwnName(path);
        string staging = registry.NewStagingFolder();
        try
        {
            AdapterIntake.CopyTo(path, staging);
            return registry.Publish(NameOf(path), staging, Origin);
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>A folder and a compiled file of one name would take turns as that adapter's current version.</summary>
    private void RequireOwnName(string path)
    {
        if (_seen.Keys.FirstOrDefault(other => other != path && NameOf(other) == NameOf(path) && Path.Exists(other)) is { } namesake)
        {
            throw new AdapterRefusedException("Two adapters have the same name", path, $"{namesake} beside it, which would be served as {NameOf(path)} too", "one adapter of a name", "rename one of them, or move it out of the folder");
        }
    }

    private void UnloadMissing()
    {
        HashSet<string> present = [.. _seen.Keys.Select(NameOf)];
        foreach (AdapterState adapter in registry.All.Where(adapter => adapter.Loaded && adapter.CurrentVersion.Origin == Origin && !present.Contains(adapter.Name)))
        {
            registry.SetLoaded(adapter.Name, false);
            LogUnloaded(logger, adapter.Name, folder);
        }
    }

    private AdapterVersion? LastOfFolder(string name) =>
        registry.Find(name)?.Versions.Values.Where(version => version.Origin == Origin).MaxBy(version => version.Number);

    private Dictionary<string, string> Look() => PreparedAdapters.Find(folder).ToDictionary(path => path, Stamp, StringComparer.Ordinal);

    private static string NameOf(string path) => File.Exists(path) ? Path.GetFileNameWithoutExtension(path) : Path.GetFileName(path);

    private static IEnumerable<FileInfo> FilesOf(string path) => File.Exists(path)
        ? [new FileInfo(path)]
        : AdapterIntake.FileNames.Where(name => name != AdapterIntake.CompiledFile).Select(name => new FileInfo(Path.Combine(path, name))).Where(file => file.Exists);

    private static string Stamp(string path) => string.Join('\n', FilesOf(path).Select(file => $"{file.Name} {file.Length} {file.LastWriteTimeUtc.Ticks}"));

    private static string DigestOf(string path) => AdapterVersion.DigestOf(FilesOf(path).Select(file =>
    {
        using FileStream stream = file.OpenRead();
        return new AdapterFile(File.Exists(path) ? AdapterIntake.CompiledFile : file.Name, Convert.ToHexStringLower(SHA256.HashData(stream)), file.Length);
    }));

    [LoggerMessage(Level = LogLevel.Information, Message = "Published {Version} from {Folder}")]
    private static partial void LogTaken(ILogger logger, string version, string folder);

    [LoggerMessage(Level = LogLevel.Information, Message = "Unloaded {Adapter}: it is gone from {Folder}")]
    private static partial void LogUnloaded(ILogger logger, string adapter, string folder);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Path} is not published: {Reason}")]
    private static partial void LogRefused(ILogger logger, string path, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The adapter folder {Folder} cannot be read: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string folder, string reason);
}
