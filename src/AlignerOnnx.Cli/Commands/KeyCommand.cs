using System.CommandLine;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner key</c>: the keys of a server.</summary>
internal sealed class KeyCommand : Command
{
    public KeyCommand() : base("key", "Make keys for a server.")
    {
        Subcommands.Add(new KeyAddCommand());
    }
}
