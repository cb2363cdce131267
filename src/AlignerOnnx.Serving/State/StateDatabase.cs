using Microsoft.Data.Sqlite;

namespace AlignerOnnx.Serving;

/// <summary>The server's SQLite file. Every change is one transaction that is on disk when it returns; a process that dies leaves the state before or after it.</summary>
internal sealed class StateDatabase : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SqliteConnection _connection;
    private SqliteTransaction? _transaction;

    internal StateDatabase(string path)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, ForeignKeys = true }.ToString());
        try
        {
            _connection.Open();
            Execute("PRAGMA journal_mode = WAL");
            Execute("PRAGMA synchronous = FULL");
            Migrations.Apply(this);
        }
        catch (SqliteException e)
        {
            _connection.Dispose();
            throw new IOException($"The state database {path} cannot be opened: {e.Message}. Restore it from a backup, or name another state folder.", e);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <summary>Does all of the work or, where it throws, none.</summary>
    internal T InTransaction<T>(Func<T> work)
    {
        lock (_gate)
        {
            if (_transaction is not null)
            {
                return work();
            }
            using SqliteTransaction transaction = _transaction = _connection.BeginTransaction(deferred: false);
            try
            {
                T result = work();
                transaction.Commit();
                return result;
            }
            finally
            {
                _transaction = null;
            }
        }
    }

    internal void InTransaction(Action work) => InTransaction(() =>
    {
        work();
        return 0;
    });

    /// <returns>How many rows changed.</returns>
    internal int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(sql, values);
            return command.ExecuteNonQuery();
        }
    }

    internal List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        lock (_gate)
        {
            using SqliteCommand command = Command(sql, values);
            using SqliteDataReader reader = command.ExecuteReader();
            List<T> rows = [];
            while (reader.Read())
            {
                rows.Add(read(reader));
            }
            return rows;
        }
    }

    public void Dispose() => _connection.Dispose();

    private SqliteCommand Command(string sql, ReadOnlySpan<(string Name, object? Value)> values)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.Transaction = _transaction;
#pragma warning disable CA2100 // Every text is a constant of this assembly; values travel as parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach ((string name, object? value) in values)
        {
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }
        return command;
    }
}

/// <summary>Short forms of reading a row.</summary>
internal static class DataReaderExtensions
{
    internal static string? Text(this SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    internal static long? Whole(this SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetInt64(column);
}
