using System.CommandLine;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner train</c>: the methods of training.</summary>
internal sealed class TrainCommand : Command
{
    public TrainCommand() : base("train", "Train an adapter.")
    {
        Subcommands.Add(new TrainSftCommand());
        Subcommands.Add(new TrainDpoCommand());
        Subcommands.Add(new TrainArtifactsCommand());
    }
}
