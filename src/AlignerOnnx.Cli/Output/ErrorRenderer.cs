using System.CommandLine;
using System.CommandLine.Parsing;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;
using Microsoft.AspNetCore.Connections;

namespace AlignerOnnx.Cli;

/// <summary>Turns what went wrong into a message on stderr, an error document in JSON mode, and an exit code.</summary>
internal static class ErrorRenderer
{
    /// <summary>Set to 1, unexpected failures print their stack.</summary>
    public const string DebugVariable = "ALIGNER_DEBUG";

    /// <summary>Writes the failure.</summary>
    /// <returns>The exit code that goes with it.</returns>
    public static int Write(CommandOutput output, Exception exception)
    {
        (int exitCode, string kind) = Classify(exception);
        if (exception is RefusedException refusal)
        {
            output.Message($"aligner: {refusal.Message}");
            WriteDocument(output, new(kind, refusal.What, refusal.Where, refusal.Found, refusal.Expected, refusal.Remedy), exitCode);
        }
        else
        {
            string what = exception is OperationCanceledException and not TrainingStoppedException ? "stopped" : exception.Message;
            string? remedy = RemedyOf(exception);
            output.Message($"aligner: {what}{(remedy is null ? "" : $"\n  what to do: {remedy}")}");
            WriteDocument(output, new(kind, what, Remedy: remedy), exitCode);
            if (exitCode == ExitCodes.Failure)
            {
                WriteTrace(output, exception, isExplained: remedy is not null || exception is OutputTakenException || what.Contains("what to do: ", StringComparison.Ordinal));
            }
        }
        return exitCode;
    }

    private static void WriteTrace(CommandOutput output, Exception exception, bool isExplained)
    {
        if (Debugging)
        {
            output.Message(exception.ToString());
        }
        else if (!isExplained)
        {
            output.Message($"  what to do: set {DebugVariable}=1 to see where this happened");
        }
    }

    /// <summary>What helps against the failures that machines and networks have, not programs; null for the others.</summary>
    private static string? RemedyOf(Exception exception) => exception switch
    {
        IOException { InnerException: AddressInUseException } => "stop what listens there, or name another address with --urls; port 0 takes a free one",
        HttpRequestException => "check --server, and that the server runs",
        PromptTooLongException => "shorten the prompt, or use a model with a longer context",
        UnauthorizedAccessException => "name a place that you may read and write, or change its permissions",
        _ => null,
    };

    /// <summary>Writes what is wrong with the command line, and where its help is.</summary>
    public static void WriteUsage(CommandOutput output, ParseResult parsed)
    {
        string command = CommandPath(parsed.CommandResult);
        string what = string.Join('\n', parsed.Errors.Select(error => error.Message).Distinct());
        string remedy = $"see {command} --help";
        output.Message($"{command}: {what}\n  what to do: {remedy}");
        WriteDocument(output, new("usage", what, Remedy: remedy), ExitCodes.Usage);
    }

    private static bool Debugging => Environment.GetEnvironmentVariable(DebugVariable) == "1";

    private static (int ExitCode, string Kind) Classify(Exception exception) => exception switch
    {
        ModelRefusedException => (ExitCodes.ModelRefused, "model-refused"),
        AdapterRefusedException => (ExitCodes.AdapterOrDataRefused, "adapter-refused"),
        CheckpointRefusedException => (ExitCodes.AdapterOrDataRefused, "checkpoint-refused"),
        DataRefusedException => (ExitCodes.AdapterOrDataRefused, "data-refused"),
        OperationCanceledException => (ExitCodes.Cancelled, "cancelled"),
        _ => (ExitCodes.Failure, "failure"),
    };

    private static void WriteDocument(CommandOutput output, ErrorFacts error, int exitCode)
    {
        if (output.Json)
        {
            output.Result(new ErrorDocument(error, exitCode), static _ => { });
        }
    }

    private static string CommandPath(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{CommandPath(parent)} {result.Command.Name}" : "aligner";

    private sealed record ErrorDocument(ErrorFacts Error, int ExitCode);

    private sealed record ErrorFacts(string Kind, string What, string? Where = null, string? Found = null, string? Expected = null, string? Remedy = null);
}
