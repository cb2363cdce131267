using System.CommandLine;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter rollback</c>: an earlier version becomes current on a running server.</summary>
internal sealed class AdapterRollbackCommand : AlignerCommand
{
    private readonly Argument<string> _name = new("NAME") { Description = "What the server calls the adapter." };
    private readonly Option<string?> _to = new("--to") { Description = "A version number or an alias; default: the version before the current one.", HelpName = "VERSION" };
    private readonly Option<Uri> _server = ServerOptions.Server();
    private readonly Option<string?> _key = ServerOptions.Key();

    public AdapterRollbackCommand() : base("rollback", "Make an earlier version of an adapter the current one on a running server; running requests end on the version that they began with.")
    {
        Arguments.Add(_name);
        Options.Add(_to);
        Options.Add(_server);
        Options.Add(_key);
        Validators.Add(command => ServerOptions.RequireKeyOrNone(command, _key));
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter rollback json --server http://127.0.0.1:5080", "aligner adapter rollback json --to prod"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string name = parsed.GetRequiredValue(_name);
        using AdapterClient client = new(parsed.GetRequiredValue(_server), ServerOptions.KeyOf(parsed, _key));
        Report current = new(name, await client.RollBackAsync(name, parsed.GetValue(_to), cancellation).ConfigureAwait(false));
        output.Result(current, report => output.Line($"{report.Name}@{report.Version} is current"));
        return ExitCodes.Done;
    }

    /// <summary>What <c>aligner adapter rollback --json</c> writes.</summary>
    private sealed record Report(string Name, int Version);
}
