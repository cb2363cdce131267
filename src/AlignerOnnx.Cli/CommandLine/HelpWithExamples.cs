using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace AlignerOnnx.Cli;

/// <summary>The usual help, followed by the command's examples and the exit codes.</summary>
internal sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        int exitCode = inner.Invoke(parseResult);
        TextWriter output = parseResult.InvocationConfiguration.Output;
        IReadOnlyList<string> examples = parseResult.CommandResult.Command switch
        {
            AlignerCommand command => command.Examples,
            RootCommand => ["aligner demo", "aligner inspect models/pocket/model-int4", "aligner patch --help"],
            // A group of commands shows those of its members.
            Command group => [.. group.Subcommands.OfType<AlignerCommand>().SelectMany(member => member.Examples)],
        };
        if (examples.Count > 0)
        {
            output.WriteLine(examples.Count == 1 ? "Example:" : "Examples:");
            foreach (string example in examples)
            {
                output.WriteLine($"  {example}");
            }
            output.WriteLine();
        }
        output.WriteLine("Exit codes: 0 done, 1 failure, 2 usage, 3 model refused, 4 adapter or data refused, 5 verification failed, 130 cancelled.");
        return exitCode;
    }
}
