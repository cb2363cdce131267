using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>What a server is made of, opened in order and closed in the opposite one.</summary>
internal sealed class ServerParts : IDisposable
{
    // Each has a cache of its own, and they compete for the processor.
    private const int GeneratorsAtOnce = 4;

    private readonly Stack<IDisposable> _open = new();

    internal ServerParts(ServingOptions options)
    {
        try
        {
            State = Opened(new StateFolder(options.StateFolder));
            Database = Opened(new StateDatabase(Path.Combine(State.Root, "state.db")));
            Blobs = new BlobStore(State.Folder("blobs"), Database);
            Blobs.Sweep();
            Chat = Opened(new ChatModel(options.ModelFolder, options.Engine with { MaxBatchRows = options.MaxConcurrency ?? options.Engine.MaxBatchRows }));
            Engine = new ChatModelEngine(Chat);
            Adapters = new AdapterRegistry(State, Database, Blobs, Engine, options, TimeProvider.System);
            Models = new ModelRegistry(Adapters, options, TimeProvider.System);
            Files = new FileStore(Database, Blobs, options.MaxStoredBytes, TimeProvider.System);
            Jobs = new JobStore(Database, TimeProvider.System);
            Admission = Opened(new Admission(options.MaxConcurrency ?? (Chat.BatchingObstacle is null ? options.Engine.MaxBatchRows : GeneratorsAtOnce), options.QueueLength));
            Telemetry = Opened(new ServerTelemetry(Admission, Adapters));
            PublishGiven(options.Adapters);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal StateFolder State { get; }

    internal StateDatabase Database { get; }

    internal BlobStore Blobs { get; }

    internal FileStore Files { get; }

    internal JobStore Jobs { get; }

    internal ChatModel Chat { get; }

    internal ITextEngine Engine { get; }

    internal AdapterRegistry Adapters { get; }

    internal ModelRegistry Models { get; }

    internal Admission Admission { get; }

    internal ServerTelemetry Telemetry { get; }

    public void Dispose()
    {
        while (_open.TryPop(out IDisposable? part))
        {
            part.Dispose();
        }
    }

    private T Opened<T>(T part) where T : IDisposable
    {
        _open.Push(part);
        return part;
    }

    private void PublishGiven(IReadOnlyList<AdapterSource> adapters)
    {
        foreach (AdapterSource adapter in adapters)
        {
            string staging = State.NewStagingFolder();
            try
            {
                if (!File.Exists(adapter.Path))
                {
                    throw new Graph.AdapterRefusedException("The compiled adapter is missing", adapter.Path, remedy: "Make it with: aligner adapter compile");
                }
                AdapterIntake.CopyTo(adapter.Path, staging);
                Adapters.Publish(adapter.Name, staging, "options");
            }
            finally
            {
                Directory.Delete(staging, recursive: true);
            }
        }
    }
}
