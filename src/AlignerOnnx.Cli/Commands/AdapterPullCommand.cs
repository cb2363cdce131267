using System.CommandLine;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter pull</c>: fetches an adapter from a running server.</summary>
internal sealed class AdapterPullCommand : AlignerCommand
{
    private readonly Argument<string> _reference = new("NAME") { Description = "NAME, NAME@VERSION or NAME@ALIAS." };
    private readonly Option<Uri> _server = ServerOptions.Server();
    private readonly Option<string?> _key = ServerOptions.Key();
    private readonly Option<string> _output = CommonOptions.OutputFolder("The folder to make; it must not exist, or be empty.");

    public AdapterPullCommand() : base("pull", "Fetch an adapter from a running server; every file is checked against its hash.")
    {
        Arguments.Add(_reference);
        Options.Add(_server);
        Options.Add(_key);
        Validators.Add(command => ServerOptions.RequireKeyOrNone(command, _key));
        Options.Add(_output);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter pull json@prod --server http://127.0.0.1:5080 -o json-prod"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        using AdapterClient client = new(parsed.GetRequiredValue(_server), ServerOptions.KeyOf(parsed, _key));
        PublishedAdapter fetched = await client.PullAsync(parsed.GetRequiredValue(_reference), parsed.GetRequiredValue(_output), cancellation).ConfigureAwait(false);
        output.Result(fetched, made => output.Line($"{made.Name}@{made.Version}  sha256:{made.Sha256}"));
        return ExitCodes.Done;
    }
}
