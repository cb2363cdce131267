using System.CommandLine;
using System.CommandLine.Parsing;

namespace AlignerOnnx.Cli;

/// <summary>How commands that talk to a running server find it and show that they may.</summary>
internal static class ServerOptions
{
    /// <summary>Keeps the key out of the command line, which other users of the machine can see.</summary>
    public const string KeyVariable = "ALIGNER_API_KEY";

    public static Option<Uri> Server() => new("--server")
    {
        Description = "The server's address.",
        HelpName = "URL",
        DefaultValueFactory = _ => new Uri("http://127.0.0.1:5080"),
        CustomParser = result =>
        {
            string text = result.Tokens[^1].Value;
            if (Uri.TryCreate(text, UriKind.Absolute, out Uri? server) && (server.Scheme == Uri.UriSchemeHttp || server.Scheme == Uri.UriSchemeHttps))
            {
                return server;
            }
            result.AddError($"--server is '{text}'; it must be an address such as http://127.0.0.1:5080.");
            return null;
        },
    };

    public static Option<string?> Key() => new("--api-key") { Description = $"The server's API key; also read from {KeyVariable}.", HelpName = "KEY" };

    public static string? KeyOf(ParseResult parsed, Option<string?> key) => parsed.GetValue(key) ?? Environment.GetEnvironmentVariable(KeyVariable);

    /// <summary>A blank key is a variable that was meant to hold one, and must not pass for none.</summary>
    public static void RequireKeyOrNone(CommandResult command, Option<string?> key)
    {
        string? typed = CommonOptions.Typed(command, key);
        if ((typed ?? Environment.GetEnvironmentVariable(KeyVariable)) is { } given && string.IsNullOrWhiteSpace(given))
        {
            command.AddError($"{(typed is null ? KeyVariable : key.Name)} is blank; it must be a key, or be left out.");
        }
    }
}
