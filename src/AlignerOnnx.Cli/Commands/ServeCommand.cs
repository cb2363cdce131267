using System.CommandLine;
using System.CommandLine.Parsing;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.Serving;
using Microsoft.AspNetCore.Builder;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner serve</c>: a base model and its adapters behind an OpenAI-compatible API.</summary>
internal sealed class ServeCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string?> _adapters = new("--adapters") { Description = "A folder of adapters; each is served as a model of its folder's name. Changes there are published while the server runs.", HelpName = "DIR" };
    private readonly Option<string?> _state = new("--state") { Description = "The folder that keeps pushed adapters, files and jobs; without it they go when the server stops.", HelpName = "DIR" };
    private readonly Option<string[]> _urls = new("--urls") { Description = "Addresses to listen on; port 0 takes a free one.", HelpName = "URL", DefaultValueFactory = _ => ["http://127.0.0.1:5080"] };
    private readonly Option<string?> _key = new("--api-key") { Description = $"The key that clients must send; needed to listen beyond loopback. Also read from {ServerOptions.KeyVariable}.", HelpName = "KEY" };
    private readonly Option<string?> _keys = new("--keys") { Description = "A file of further keys with roles; made with: aligner key add.", HelpName = "FILE" };
    private readonly Option<bool> _jsonLogs = new("--json-logs") { Description = "Write logs as JSON lines." };
    private readonly Option<int> _maxTokens = CommonOptions.Whole("--max-tokens", "The most tokens of one answer.", standard: 4096, least: 1);
    private readonly Option<int> _queue = CommonOptions.Whole("--queue", "Requests that may wait; further ones are told to come back.", standard: 32, least: 0, most: 65536);
    private readonly Option<int> _timeout = CommonOptions.Whole("--timeout", "The longest time of a request in seconds.", standard: 300, least: 1, most: 86400);
    private readonly Option<string?> _name = new("--name") { Description = "The base model's name; default: its folder's name.", HelpName = "NAME" };
    private readonly Option<int> _concurrency = CommonOptions.Whole("--concurrency", "Requests answered at the same time: the rows of all batches. Without batches 4 where it is not given.", standard: 16, least: 1, most: 256);
    private readonly Option<string?> _slots = CommonOptions.Slots(null);
    private readonly Option<string> _engine = new("--engine")
    {
        Description = "batch: answers at the same time are computed together, each with its own adapter. generators: each by itself, as models do whose form allows no batch.",
        HelpName = "batch|generators",
        DefaultValueFactory = _ => Batch,
    };
    private readonly Option<int> _cacheMemory = CommonOptions.Whole("--cache-memory", "The most memory of the batches' keys and values in MiB; they share it equally.", standard: 4096, least: 1, most: 1 << 20);
    private readonly Option<int> _batches = CommonOptions.Batches();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();

    private const string Batch = "batch";

    public ServeCommand() : base("serve", "Serve a model and its adapters behind an OpenAI-compatible API; the request's model chooses the adapter.")
    {
        _engine.AcceptOnlyFromAmong(Batch, "generators");
        Arguments.Add(_model);
        Options.Add(_adapters);
        Options.Add(_state);
        Options.Add(_urls);
        Options.Add(_key);
        Options.Add(_keys);
        Options.Add(_jsonLogs);
        Options.Add(_maxTokens);
        Options.Add(_queue);
        Options.Add(_timeout);
        Options.Add(_name);
        Options.Add(_concurrency);
        Options.Add(_slots);
        Options.Add(_engine);
        Options.Add(_cacheMemory);
        Options.Add(_batches);
        Options.Add(_anyBase);
        Validators.Add(command => ServerOptions.RequireKeyOrNone(command, _key));
        Validators.Add(RequireAddresses);
        Validators.Add(RequireBatchesOfABatch);
    }

    public override IReadOnlyList<string> Examples => ["aligner serve models/pocket/model-int4 --adapters my-adapters --urls http://127.0.0.1:5080"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        WebApplication server = AlignerServer.Build(new ServingOptions
        {
            ModelFolder = ModelCache.Patched(model, SlotLayouts.Find(parsed.GetValue(_slots))),
            BaseModelName = parsed.GetValue(_name) ?? Path.GetFileName(Path.GetDirectoryName(ModelPaths.FindOnnxFile(model))!),
            AdapterFolder = parsed.GetValue(_adapters),
            AnyBase = parsed.GetValue(_anyBase),
            StateFolder = parsed.GetValue(_state),
            TrainingProgram = AlignerTool.StartAgain,
            Urls = parsed.GetValue(_urls)!,
            ApiKey = ServerOptions.KeyOf(parsed, _key),
            Keys = parsed.GetValue(_keys) is { } keys ? ApiKeyFile.Read(keys) : [],
            JsonLogs = parsed.GetValue(_jsonLogs),
            MaxTokens = parsed.GetValue(_maxTokens),
            QueueLength = parsed.GetValue(_queue),
            RequestTimeout = TimeSpan.FromSeconds(parsed.GetValue(_timeout)),
            // Where it is not given, the engine that the model allows decides.
            MaxConcurrency = parsed.GetResult(_concurrency) is { Implicit: false } ? parsed.GetValue(_concurrency) : null,
            Engine = new ChatModelOptions
            {
                Batching = parsed.GetValue(_engine) == Batch,
                Batches = CommonOptions.NumberOrNull(parsed, _batches),
                MaxCacheBytes = (long)parsed.GetValue(_cacheMemory) << 20,
            },
        });
        await using (server.ConfigureAwait(false))
        {
            await server.StartAsync(cancellation).ConfigureAwait(false);
            output.Result(new Report([.. server.Urls]), report => output.Line($"Serving on {string.Join(", ", report.Urls)}; Ctrl-C stops."));
            await UntilCancelled(cancellation).ConfigureAwait(false);
            await server.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
        return ExitCodes.Done;
    }

    private void RequireBatchesOfABatch(CommandResult command)
    {
        if (command.GetResult(_batches) is { Implicit: false } && CommonOptions.Typed(command, _engine) is { } engine && engine != Batch)
        {
            command.AddError($"{_batches.Name} is for --engine {Batch}, not for --engine {engine}.");
        }
    }

    /// <summary>Said before the model is loaded, as of any other option.</summary>
    private void RequireAddresses(CommandResult command)
    {
        bool hasKey = CommonOptions.Typed(command, _key) is not null || CommonOptions.Typed(command, _keys) is not null || Environment.GetEnvironmentVariable(ServerOptions.KeyVariable) is not null;
        if (command.GetResult(_urls) is { Implicit: false } urls && ListenAddress.ProblemOf([.. urls.Tokens.Select(token => token.Value)], hasKey) is { } problem)
        {
            command.AddError($"{_urls.Name}: {problem}");
        }
    }

    /// <summary>Ctrl-C is the ordinary end of a server, no failure.</summary>
    private static Task UntilCancelled(CancellationToken cancellation)
    {
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        cancellation.Register(stopped.SetResult);
        return stopped.Task;
    }

    /// <summary>What <c>aligner serve --json</c> writes once it listens.</summary>
    private sealed record Report(IReadOnlyList<string> Urls);
}
