using System.Collections.Immutable;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>
/// The adapters that are served and their history. Versions never change and are addressed by their content; publishing, rolling back and aliasing only
/// move names. A request takes a lease on one version and keeps it to its end, whatever happens to the names meanwhile.
/// </summary>
internal sealed class AdapterRegistry
{
    private readonly AdapterCatalog _catalog;
    private readonly BlobStore _blobs;
    private readonly StateFolder _state;
    private readonly ResidentAdapters _resident;
    private readonly string _baseName;
    private volatile ImmutableDictionary<string, AdapterState> _adapters;

    internal AdapterRegistry(StateFolder state, StateDatabase database, BlobStore blobs, ITextEngine engine, ServingOptions options, TimeProvider time)
    {
        _state = state;
        _catalog = new AdapterCatalog(database, time);
        _blobs = blobs;
        _resident = new ResidentAdapters(engine, options.MaxResidentAdapters);
        Folding = new AdapterFolding(options.ModelFolder, options.AnyBase, _blobs, state);
        _baseName = options.BaseName;
        _adapters = _catalog.ReadAll().ToImmutableDictionary(adapter => adapter.Name, StringComparer.Ordinal);
    }

    internal AdapterFolding Folding { get; }

    internal ResidentAdapters Resident => _resident;

    /// <summary>Every adapter, unloaded ones too, in the order of their names.</summary>
    internal IEnumerable<AdapterState> All => _adapters.Values.OrderBy(adapter => adapter.Name, StringComparer.Ordinal);

    internal AdapterState? Find(string name) => _adapters.GetValueOrDefault(name);

    internal AdapterState Require(string name) => Find(name)
        ?? throw new ApiException(StatusCodes.Status404NotFound, $"There is no adapter '{name}'. GET /v1/adapters lists those there are.", "name", "adapter_not_found");

    internal AdapterVersion RequireVersion(string name, string selector) => Require(name).Select(new AdapterReference(name, selector))
        ?? throw new ApiException(StatusCodes.Status404NotFound, $"The adapter '{name}' has no version or alias '{selector}'.", "version", "version_not_found");

    /// <summary>The version that a served name means now; null where there is none.</summary>
    internal AdapterVersion? Resolve(string reference)
    {
        AdapterReference parsed = AdapterReference.Parse(reference);
        return _adapters.TryGetValue(parsed.Name, out AdapterState? adapter) && adapter.Loaded ? adapter.Select(parsed) : null;
    }

    /// <summary>The version that a served name means now, resident until the lease is disposed; null where there is none.</summary>
    internal (AdapterVersion Version, IDisposable Lease)? Acquire(string reference)
    {
        while (Resolve(reference) is { } version)
        {
            try
            {
                return (version, Hold(version));
            }
            catch (IOException) when (Resolve(reference)?.Digest != version.Digest)
            {
                // Deleted or replaced between the two steps; the name means something else now.
            }
        }
        return null;
    }

    /// <summary>
    /// Publishes the adapter in a folder (which is emptied) as the name's new current version. It is compiled and tried on the model first; then it appears
    /// at once: running requests end on the version that they began with. Publishing the values that are current already adds no version, but where a name that was open to jobs becomes an admin's.
    /// </summary>
    /// <exception cref="AdapterRefusedException">The adapter is damaged or does not fit the model.</exception>
    internal AdapterVersion Publish(string name, string folder, string origin, IReadOnlyList<string>? aliases = null)
    {
        AdapterReference.RequireName(name);
        if (name == _baseName)
        {
            throw ApiException.Invalid($"'{name}' is the base model's name; an adapter needs another.", "name");
        }
        foreach (string alias in aliases ?? [])
        {
            AdapterReference.RequireAlias(alias);
        }
        (AdapterKind kind, AdapterLineage lineage) = AdapterIntake.Inspect(folder);
        lock (_blobs.Changes)
        {
            AdapterVersion candidate = new(name, 0, "", kind, origin, lineage, Take(folder), default);
            return Publish(candidate with { Digest = AdapterVersion.DigestOf(candidate.Files) }, aliases ?? []);
        }
    }

    private AdapterVersion Publish(AdapterVersion candidate, IReadOnlyList<string> aliases)
    {
        try
        {
            // Tried before it is public, so that what is refused is never seen by a request.
            using IDisposable tried = Hold(candidate);
            AdapterState? present = Find(candidate.Name);
            AdapterVersion version = present is not null && IsSame(present.CurrentVersion, candidate) ? _catalog.Confirm(present.CurrentVersion, aliases) : _catalog.Add(candidate, aliases);
            AdapterState state = present ?? new AdapterState(version.Name, version.Number, true, version.Created, ImmutableDictionary<int, AdapterVersion>.Empty, ImmutableDictionary.Create<string, int>(StringComparer.Ordinal));
            Show(state with
            {
                Current = version.Number,
                Loaded = true,
                Versions = state.Versions.SetItem(version.Number, version),
                Aliases = state.Aliases.SetItems(aliases.Select(alias => KeyValuePair.Create(alias, version.Number))),
            });
            return version;
        }
        catch
        {
            Discard([candidate]);
            throw;
        }
    }

    private static bool IsSame(AdapterVersion present, AdapterVersion candidate) =>
        present.Digest == candidate.Digest && JobPublishing.LeavesNameOpen(present) == JobPublishing.LeavesNameOpen(candidate);

    /// <summary>Makes an earlier version current again; without a number, the highest one below the current.</summary>
    internal AdapterState RollBack(string name, int? number) => Change(name, adapter =>
    {
        int target = number ?? adapter.Versions.Keys.Where(each => each < adapter.Current).DefaultIfEmpty().Max();
        if (!adapter.Versions.TryGetValue(target, out AdapterVersion? version))
        {
            throw ApiException.Invalid(number is null ? $"'{name}' has no version before {adapter.Current}." : $"'{name}' has no version {number}.", "version", "version_not_found");
        }
        using IDisposable tried = Hold(version);
        _catalog.SetCurrent(name, target);
        return adapter with { Current = target, Loaded = true };
    });

    internal AdapterState SetAlias(string name, string alias, string selector)
    {
        AdapterReference.RequireAlias(alias);
        return Change(name, adapter =>
        {
            int number = RequireVersion(name, selector).Number;
            _catalog.SetAlias(name, alias, number);
            return adapter with { Aliases = adapter.Aliases.SetItem(alias, number) };
        });
    }

    internal AdapterState RemoveAlias(string name, string alias) => Change(name, adapter =>
    {
        if (!adapter.Aliases.ContainsKey(alias))
        {
            throw new ApiException(StatusCodes.Status404NotFound, $"The adapter '{name}' has no alias '{alias}'.", "alias", "alias_not_found");
        }
        _catalog.RemoveAlias(name, alias);
        return adapter with { Aliases = adapter.Aliases.Remove(alias) };
    });

    /// <summary>Stops or resumes serving an adapter; its history stays.</summary>
    internal AdapterState SetLoaded(string name, bool loaded) => Change(name, adapter =>
    {
        if (loaded)
        {
            using IDisposable tried = Hold(adapter.CurrentVersion);
            _catalog.SetLoaded(name, true);
            return adapter with { Loaded = true };
        }
        _catalog.SetLoaded(name, false);
        foreach (AdapterVersion version in adapter.Versions.Values)
        {
            // Values that another adapter shares come back when they are asked for.
            _resident.Drop(version.Digest);
        }
        return adapter with { Loaded = false };
    });

    /// <summary>Deletes a version that neither the name nor an alias means.</summary>
    internal void DeleteVersion(string name, int number)
    {
        lock (_blobs.Changes)
        {
            AdapterState adapter = Require(name);
            if (!adapter.Versions.TryGetValue(number, out AdapterVersion? version))
            {
                throw new ApiException(StatusCodes.Status404NotFound, $"The adapter '{name}' has no version {number}.", "version", "version_not_found");
            }
            if (number == adapter.Current || adapter.Aliases.Any(alias => alias.Value == number))
            {
                throw new ApiException(StatusCodes.Status409Conflict, $"{version.Id} is in use: it is current or has an alias. Move those first.", "version", "version_in_use");
            }
            _catalog.RemoveVersion(name, number);
            Show(adapter with { Versions = adapter.Versions.Remove(number) });
            Discard([version]);
        }
    }

    /// <summary>Deletes an adapter with all its versions. Requests that run on it end undisturbed.</summary>
    internal void Delete(string name)
    {
        lock (_blobs.Changes)
        {
            AdapterState adapter = Require(name);
            _catalog.Remove(name);
            _adapters = _adapters.Remove(name);
            Discard(adapter.Versions.Values);
        }
    }

    internal string FileOf(AdapterVersion version, string file) =>
        version.Files.FirstOrDefault(each => each.Name == file) is { } found
            ? _blobs.Verified(found.Sha256)
            : throw new ApiException(StatusCodes.Status404NotFound, $"{version.Id} has no file '{file}'; it has {string.Join(", ", version.Files.Select(each => each.Name))}.", "file", "file_not_found");

    internal string NewStagingFolder() => _state.NewStagingFolder();

    /// <summary>Makes the version's values resident until the lease is disposed.</summary>
    private IDisposable Hold(AdapterVersion version) => _resident.Acquire(version.Digest, () => Folding.Compiled(version));

    private AdapterState Change(string name, Func<AdapterState, AdapterState> change)
    {
        lock (_blobs.Changes)
        {
            return Show(change(Require(name)));
        }
    }

    private AdapterFile[] Take(string folder)
    {
        string[] files = Directory.GetFiles(folder);
        return [.. files.Zip(_blobs.Take(files), (file, blob) => new AdapterFile(Path.GetFileName(file), blob.Sha256, blob.Bytes))];
    }

    /// <summary>Makes a change, which is in the database already, visible: at once and as a whole.</summary>
    private AdapterState Show(AdapterState state)
    {
        _adapters = _adapters.SetItem(state.Name, state);
        return state;
    }

    /// <summary>Removes the files and resident values of versions that are gone, as far as no other version has the same.</summary>
    private void Discard(IEnumerable<AdapterVersion> gone)
    {
        foreach (AdapterVersion version in gone)
        {
            foreach (AdapterFile file in version.Files)
            {
                _blobs.DeleteUnreferenced(file.Sha256);
            }
            if (!_catalog.RefersToDigest(version.Digest))
            {
                _resident.Drop(version.Digest);
                Folding.Forget(version.Digest);
            }
        }
    }
}
