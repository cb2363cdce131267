using System.CommandLine;
using System.Globalization;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter versions</c>: the history of an adapter on a running server.</summary>
internal sealed class AdapterVersionsCommand : AlignerCommand
{
    private readonly Argument<string> _name = new("NAME") { Description = "What the server calls the adapter." };
    private readonly Option<Uri> _server = ServerOptions.Server();
    private readonly Option<string?> _key = ServerOptions.Key();

    public AdapterVersionsCommand() : base("versions", "List the versions of an adapter on a running server: which is current, and which an alias means.")
    {
        Arguments.Add(_name);
        Options.Add(_server);
        Options.Add(_key);
        Validators.Add(command => ServerOptions.RequireKeyOrNone(command, _key));
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter versions json --server http://127.0.0.1:5080"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string name = parsed.GetRequiredValue(_name);
        using AdapterClient client = new(parsed.GetRequiredValue(_server), ServerOptions.KeyOf(parsed, _key));
        Report history = new(name, await client.ListVersionsAsync(name, cancellation).ConfigureAwait(false));
        output.Result(history, report => output.Table(["version", "current", "aliases", "published", "origin", "sha256"], report.Versions.Select(each => new[]
        {
            $"{name}@{each.Version}", each.IsCurrent ? "yes" : "", string.Join(", ", each.Aliases), each.Created.ToString("u", CultureInfo.InvariantCulture), each.Origin, each.Sha256,
        })));
        return ExitCodes.Done;
    }

    /// <summary>What <c>aligner adapter versions --json</c> writes.</summary>
    private sealed record Report(string Name, IReadOnlyList<VersionSummary> Versions);
}
