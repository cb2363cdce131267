using System.CommandLine;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner key add</c>: makes a key, shows it once, and keeps only its hash.</summary>
internal sealed class KeyAddCommand : AlignerCommand
{
    private readonly Argument<string> _name = new("NAME") { Description = "Whose key it is." };
    private readonly Option<KeyRole> _role = CommonOptions.Choice("--role", "What it may do: use asks models, train also uploads data and trains, admin also publishes and deletes adapters.", KeyRole.Use);
    private readonly Option<string> _file = new("--keys") { Description = "The file of keys, for aligner serve --keys; made where it is missing.", HelpName = "FILE", Required = true };

    public KeyAddCommand() : base("add", "Make a new key; it is shown once, the file keeps its hash.")
    {
        Arguments.Add(_name);
        Options.Add(_role);
        Options.Add(_file);
    }

    public override IReadOnlyList<string> Examples => ["aligner key add reporting --role use --keys keys.json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string key = ApiKeyFile.Add(parsed.GetRequiredValue(_file), parsed.GetRequiredValue(_name), parsed.GetValue(_role));
        output.Result(new Report(parsed.GetRequiredValue(_name), parsed.GetValue(_role), key), made => output.Line(made.Key));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner key add --json</c> writes.</summary>
    private sealed record Report(string Name, KeyRole Role, string Key);
}
