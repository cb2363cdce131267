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
        TextWriter output = parseResult.InvocationConfiguration.Output;
        using StringWriter help = new();
        parseResult.InvocationConfiguration.Output = help;
        int exitCode = inner.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output = output;
        output.Write(WithChoiceNames(help.ToString(), parseResult.CommandResult.Command));
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

    /// <summary>The library shows an enumeration's default as .NET writes it (LitLlama), which is not what is typed (lit-llama).</summary>
    private static string WithChoiceNames(string help, Command command)
    {
        foreach (Enum standard in command.Options.Where(option => option is { ValueType.IsEnum: true, HasDefaultValue: true }).Select(option => option.GetDefaultValue()).OfType<Enum>())
        {
            help = help.Replace($"[default: {standard}]", $"[default: {CommonOptions.ChoiceName(standard)}]", StringComparison.Ordinal);
        }
        return help;
    }
}
