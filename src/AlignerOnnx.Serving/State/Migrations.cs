namespace AlignerOnnx.Serving;

/// <summary>Brings a state database of any earlier version to the present one. Steps are only ever added at the end.</summary>
internal static class Migrations
{
    private static readonly string[] Steps =
    [
        """
        CREATE TABLE adapters (
            name TEXT PRIMARY KEY,
            current INTEGER,
            loaded INTEGER NOT NULL DEFAULT 1,
            created INTEGER NOT NULL) STRICT;
        -- Outlives its adapter: a number that once meant some values never means others.
        CREATE TABLE numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT;
        CREATE TABLE versions (
            name TEXT NOT NULL REFERENCES adapters(name) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            digest TEXT NOT NULL,
            kind TEXT NOT NULL,
            origin TEXT NOT NULL,
            base_model TEXT, base_fingerprint TEXT, data_hash TEXT, recipe TEXT,
            created INTEGER NOT NULL,
            PRIMARY KEY (name, number)) STRICT;
        CREATE TABLE version_files (
            name TEXT NOT NULL,
            number INTEGER NOT NULL,
            file TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            PRIMARY KEY (name, number, file),
            FOREIGN KEY (name, number) REFERENCES versions(name, number) ON DELETE CASCADE) STRICT;
        CREATE INDEX versions_by_digest ON versions (digest);
        CREATE INDEX version_files_by_hash ON version_files (sha256);
        CREATE TABLE aliases (
            name TEXT NOT NULL,
            alias TEXT NOT NULL,
            number INTEGER NOT NULL,
            PRIMARY KEY (name, alias),
            FOREIGN KEY (name, number) REFERENCES versions(name, number)) STRICT;
        """,
        """
        CREATE TABLE files (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            purpose TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL) STRICT;
        CREATE INDEX files_by_hash ON files (sha256);
        CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            status TEXT NOT NULL,
            model TEXT NOT NULL,
            method TEXT NOT NULL,
            hyperparameters TEXT NOT NULL,
            suffix TEXT,
            seed INTEGER NOT NULL,
            training_file TEXT NOT NULL,
            validation_file TEXT,
            adapter TEXT NOT NULL,
            metadata TEXT,
            created INTEGER NOT NULL,
            finished INTEGER,
            result TEXT,
            result_file TEXT,
            trained_tokens INTEGER,
            final_step INTEGER,
            final_loss REAL,
            validation_loss REAL,
            error_code TEXT,
            error_message TEXT,
            process INTEGER,
            process_started INTEGER) STRICT;
        CREATE TABLE job_events (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL,
            level TEXT NOT NULL,
            type TEXT NOT NULL,
            message TEXT NOT NULL,
            data TEXT,
            created INTEGER NOT NULL) STRICT;
        CREATE INDEX job_events_by_job ON job_events (job, number);
        """,
        // Nothing says whose the jobs from before it are, so they have the lesser right.
        "ALTER TABLE jobs ADD COLUMN may_replace_any INTEGER NOT NULL DEFAULT 0",
    ];

    internal static void Apply(StateDatabase database) => database.InTransaction(() =>
    {
        long found = database.Query("PRAGMA user_version", row => row.GetInt64(0))[0];
        if (found > Steps.Length)
        {
            throw new IOException($"The state database is of version {found}, newer than this server knows ({Steps.Length}). Use the newer server, or name another state folder.");
        }
        for (long step = found; step < Steps.Length; step++)
        {
            database.Execute(Steps[step]);
            database.Execute($"PRAGMA user_version = {step + 1}");
        }
    });
}
