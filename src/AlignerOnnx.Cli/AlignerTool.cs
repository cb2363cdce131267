using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;

namespace AlignerOnnx.Cli;

/// <summary>The tool <c>aligner</c>: parses a command line, runs its command and says how it ended.</summary>
public static class AlignerTool
{
    /// <summary>The program and first arguments that start this very tool again: by the .NET host where that runs it, else as a program.</summary>
    internal static IReadOnlyList<string> StartAgain { get; } = Path.GetFileNameWithoutExtension(Environment.ProcessPath!).Equals("dotnet", StringComparison.OrdinalIgnoreCase)
        ? [Environment.ProcessPath!, "exec", typeof(AlignerTool).Assembly.Location]
        : [Environment.ProcessPath!];

    /// <summary>Runs one command line.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args)
    {
        ArgumentNullException.ThrowIfNull(args);
        // Asked by name, because a command line that does not parse may still ask for JSON.
        CommandOutput output = new(json: args.Contains(CommonOptions.JsonName));
        using CancellationTokenSource cancellation = new();
        using PosixSignalRegistration interrupt = CancelOn(PosixSignal.SIGINT, cancellation);
        using PosixSignalRegistration terminate = CancelOn(PosixSignal.SIGTERM, cancellation);
        try
        {
            ParseResult parsed = AlignerRootCommand.Create().Parse(args);
            if (parsed.Action is ParseErrorAction)
            {
                ErrorRenderer.WriteUsage(output, parsed);
                return ExitCodes.Usage;
            }
            return await parsed.InvokeAsync(NoHandlers, cancellation.Token).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The last frame of the process: whatever went wrong becomes a message and an exit code.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return ErrorRenderer.Write(output, exception);
        }
    }

    // The library's own handlers would print a stack trace for a refusal and end the process two seconds after Ctrl-C,
    // before a checkpoint is on disk.
    private static InvocationConfiguration NoHandlers => new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };

    // The first signal asks the command to stop at a point it can resume from; the second one ends the process at once.
    private static PosixSignalRegistration CancelOn(PosixSignal signal, CancellationTokenSource cancellation) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            if (signal == PosixSignal.SIGINT && Interruption.Give())
            {
                context.Cancel = true;
                return;
            }
            context.Cancel = !cancellation.IsCancellationRequested;
            cancellation.Cancel();
        });
}
