using System.CommandLine;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter</c>: what can be done with adapters as files.</summary>
internal sealed class AdapterCommand : Command
{
    public AdapterCommand() : base("adapter", "Show, list, compile, import, export, blend, merge, publish, fetch and roll back adapters.")
    {
        Subcommands.Add(new AdapterShowCommand());
        Subcommands.Add(new AdapterListCommand());
        Subcommands.Add(new AdapterCompileCommand());
        Subcommands.Add(new AdapterImportCommand());
        Subcommands.Add(new AdapterExportCommand());
        Subcommands.Add(new AdapterBlendCommand());
        Subcommands.Add(new AdapterMergeCommand());
        Subcommands.Add(new AdapterPushCommand());
        Subcommands.Add(new AdapterPullCommand());
        Subcommands.Add(new AdapterVersionsCommand());
        Subcommands.Add(new AdapterRollbackCommand());
    }
}
