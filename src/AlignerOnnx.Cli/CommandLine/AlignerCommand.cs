using System.CommandLine;

namespace AlignerOnnx.Cli;

/// <summary>A command of the tool: declares its options in the constructor and calls one library service in <see cref="ExecuteAsync"/>.</summary>
internal abstract class AlignerCommand : Command
{
    protected AlignerCommand(string name, string description) : base(name, description)
    {
        Options.Add(CommonOptions.Json());
        SetAction((parsed, cancellation) => ExecuteAsync(parsed, new CommandOutput(parsed.GetValue<bool>(CommonOptions.JsonName)), cancellation));
    }

    /// <summary>Complete command lines that the help shows.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <summary>Does the work; input that cannot be used is reported by throwing, never by an exit code of its own.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    protected abstract Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation);
}
