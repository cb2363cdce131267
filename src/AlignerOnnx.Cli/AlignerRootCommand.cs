using System.CommandLine;
using System.CommandLine.Help;

namespace AlignerOnnx.Cli;

/// <summary>The root of the command line: every command is added here, and only commands that do their work.</summary>
internal static class AlignerRootCommand
{
    public static RootCommand Create()
    {
        RootCommand root = new("Aligns exported LLaMA-family ONNX models with a few shared tokens: patch, train, compile, serve.");
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        root.Subcommands.Add(new InspectCommand());
        root.Subcommands.Add(new PatchCommand());
        root.Subcommands.Add(new VerifyCommand());
        root.Subcommands.Add(new BenchCommand());
        root.Subcommands.Add(new GenerateCommand());
        root.Subcommands.Add(new ChatCommand());
        root.Subcommands.Add(new AdapterCommand());
        root.Subcommands.Add(new ServeCommand());
        root.Subcommands.Add(new KeyCommand());
        root.Subcommands.Add(new TrainCommand());
        root.Subcommands.Add(new EvalCommand());
        root.Subcommands.Add(new DemoCommand());
        return root;
    }
}
