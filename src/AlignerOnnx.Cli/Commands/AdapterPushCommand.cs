using System.CommandLine;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter push</c>: publishes an adapter on a running server.</summary>
internal sealed class AdapterPushCommand : AlignerCommand
{
    private readonly Argument<string> _adapter = new("ADAPTER") { Description = "An adapter folder or an .onnx_adapter file." };
    private readonly Option<Uri> _server = ServerOptions.Server();
    private readonly Option<string?> _key = ServerOptions.Key();
    private readonly Option<string?> _name = new("--name") { Description = "What the server calls it; default: the folder's name.", HelpName = "NAME" };
    private readonly Option<string[]> _aliases = new("--alias") { Description = "An alias that shall mean this version; may be given several times.", HelpName = "ALIAS", DefaultValueFactory = _ => [] };

    public AdapterPushCommand() : base("push", "Publish an adapter on a running server: running requests end on the old version, new ones get this.")
    {
        Arguments.Add(_adapter);
        Options.Add(_server);
        Options.Add(_key);
        Validators.Add(command => ServerOptions.RequireKeyOrNone(command, _key));
        Options.Add(_name);
        Options.Add(_aliases);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter push my-adapters/json --server http://127.0.0.1:5080 --alias prod"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        using AdapterClient client = new(parsed.GetRequiredValue(_server), ServerOptions.KeyOf(parsed, _key));
        PublishedAdapter published = await client.PushAsync(parsed.GetRequiredValue(_adapter), parsed.GetValue(_name), parsed.GetValue(_aliases), cancellation).ConfigureAwait(false);
        output.Result(published, made => output.Line($"{made.Name}@{made.Version}  sha256:{made.Sha256}"));
        return ExitCodes.Done;
    }
}
