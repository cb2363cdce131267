using System.Collections.Immutable;
using Microsoft.Data.Sqlite;

namespace AlignerOnnx.Serving;

/// <summary>The registry's metadata in the database: adapters, versions, their files, aliases.</summary>
internal sealed class AdapterCatalog(StateDatabase database, TimeProvider time)
{
    /// <summary>Reads every adapter.</summary>
    internal IReadOnlyList<AdapterState> ReadAll()
    {
        ILookup<(string, int), AdapterFile> files = database.Query("SELECT name, number, file, sha256, bytes FROM version_files ORDER BY file",
            row => (Key: (row.GetString(0), row.GetInt32(1)), File: new AdapterFile(row.GetString(2), row.GetString(3), row.GetInt64(4)))).ToLookup(row => row.Key, row => row.File);
        ILookup<string, AdapterVersion> versions = database.Query(
            "SELECT name, number, digest, kind, origin, base_model, base_fingerprint, data_hash, recipe, created FROM versions",
            row => ToVersion(row, [.. files[(row.GetString(0), row.GetInt32(1))]])).ToLookup(version => version.Name);
        ILookup<string, (string Alias, int Number)> aliases = database.Query("SELECT name, alias, number FROM aliases",
            row => (Name: row.GetString(0), Alias: row.GetString(1), Number: row.GetInt32(2))).ToLookup(row => row.Name, row => (row.Alias, row.Number));
        return database.Query("SELECT name, current, loaded, created FROM adapters", row => new AdapterState(
            row.GetString(0), row.GetInt32(1), row.GetInt32(2) == 1, DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(3)),
            versions[row.GetString(0)].ToImmutableDictionary(version => version.Number), aliases[row.GetString(0)].ToImmutableDictionary(pair => pair.Alias, pair => pair.Number, StringComparer.Ordinal)));
    }

    internal bool RefersToDigest(string digest) => database.Query("SELECT 1 FROM versions WHERE digest = $digest LIMIT 1", _ => true, ("$digest", digest)).Count > 0;

    /// <summary>Adds a version, makes it the current one and sets the aliases, all at once.</summary>
    internal AdapterVersion Add(AdapterVersion version, IReadOnlyList<string> aliases) => database.InTransaction(() =>
    {
        string name = version.Name;
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        int number = NextNumber(name);
        database.Execute("INSERT INTO adapters (name, created) VALUES ($name, $now) ON CONFLICT DO NOTHING", ("$name", name), ("$now", now));
        database.Execute(
            """
            INSERT INTO versions (name, number, digest, kind, origin, base_model, base_fingerprint, data_hash, recipe, created)
            VALUES ($name, $number, $digest, $kind, $origin, $base, $fingerprint, $data, $recipe, $now)
            """,
            ("$name", name), ("$number", number), ("$digest", version.Digest), ("$kind", version.Kind.ToString()), ("$origin", version.Origin),
            ("$base", version.Lineage.BaseModel), ("$fingerprint", version.Lineage.BaseFingerprint), ("$data", version.Lineage.DataHash), ("$recipe", version.Lineage.Recipe), ("$now", now));
        foreach (AdapterFile file in version.Files)
        {
            database.Execute("INSERT INTO version_files (name, number, file, sha256, bytes) VALUES ($name, $number, $file, $sha256, $bytes)",
                ("$name", name), ("$number", number), ("$file", file.Name), ("$sha256", file.Sha256), ("$bytes", file.Bytes));
        }
        Point(name, number, aliases);
        return version with { Number = number, Created = DateTimeOffset.FromUnixTimeSeconds(now) };
    });

    /// <summary>Makes the names mean a version that is there already.</summary>
    internal AdapterVersion Confirm(AdapterVersion version, IReadOnlyList<string> aliases) => database.InTransaction(() =>
    {
        Point(version.Name, version.Number, aliases);
        return version;
    });

    internal void SetCurrent(string name, int number) =>
        database.Execute("UPDATE adapters SET current = $number, loaded = 1 WHERE name = $name", ("$name", name), ("$number", number));

    internal void SetLoaded(string name, bool loaded) =>
        database.Execute("UPDATE adapters SET loaded = $loaded WHERE name = $name", ("$name", name), ("$loaded", loaded ? 1 : 0));

    internal void SetAlias(string name, string alias, int number) => database.Execute(
        "INSERT INTO aliases (name, alias, number) VALUES ($name, $alias, $number) ON CONFLICT (name, alias) DO UPDATE SET number = $number",
        ("$name", name), ("$alias", alias), ("$number", number));

    internal void RemoveAlias(string name, string alias) =>
        database.Execute("DELETE FROM aliases WHERE name = $name AND alias = $alias", ("$name", name), ("$alias", alias));

    internal void RemoveVersion(string name, int number) =>
        database.Execute("DELETE FROM versions WHERE name = $name AND number = $number", ("$name", name), ("$number", number));

    internal void Remove(string name) => database.InTransaction(() =>
    {
        database.Execute("DELETE FROM aliases WHERE name = $name", ("$name", name));
        database.Execute("DELETE FROM adapters WHERE name = $name", ("$name", name));
    });

    private void Point(string name, int number, IReadOnlyList<string> aliases)
    {
        SetCurrent(name, number);
        foreach (string alias in aliases)
        {
            SetAlias(name, alias, number);
        }
    }

    private int NextNumber(string name)
    {
        database.Execute("INSERT INTO numbers (name, last) VALUES ($name, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1", ("$name", name));
        return database.Query("SELECT last FROM numbers WHERE name = $name", row => row.GetInt32(0), ("$name", name))[0];
    }

    private static AdapterVersion ToVersion(SqliteDataReader row, IReadOnlyList<AdapterFile> files) => new(
        row.GetString(0), row.GetInt32(1), row.GetString(2), Enum.Parse<AdapterKind>(row.GetString(3)), row.GetString(4),
        new AdapterLineage(row.Text(5), row.Text(6), row.Text(7), row.Text(8)), files, DateTimeOffset.FromUnixTimeSeconds(row.GetInt64(9)));
}
