using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

namespace AlignerOnnx.Cli;

/// <summary>Where a command writes: its result to stdout, as text or as one JSON document; everything else to stderr.</summary>
internal sealed class CommandOutput
{
    /// <summary>How documents are written. Field names are a contract with scripts: snake_case, as in adapter_config.json.</summary>
    internal static readonly JsonSerializerOptions DocumentFormat = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        // A loss that became NaN must not end in a broken document.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
        WriteIndented = true,
    };

    private readonly TextWriter _result = Console.Out;
    private readonly TextWriter _messages = Console.Error;

    public CommandOutput(bool json) => Json = json;

    /// <summary>Whether stdout carries one JSON document.</summary>
    public bool Json { get; }

    /// <summary>Writes the command's result once: as the document in JSON mode, else through <paramref name="asText"/>.</summary>
    public void Result<T>(T document, Action<T> asText)
    {
        if (Json)
        {
            _result.WriteLine(JsonSerializer.Serialize(document, DocumentFormat));
        }
        else
        {
            asText(document);
        }
        _result.Flush();
    }

    /// <summary>A line of the result; nothing in JSON mode, where only the document may stand on stdout.</summary>
    public void Line(string text = "")
    {
        if (!Json)
        {
            _result.WriteLine(text);
        }
    }

    /// <summary>Text of the result without a line end, for answers that appear word by word.</summary>
    public void Text(string text)
    {
        if (!Json)
        {
            _result.Write(text);
            _result.Flush();
        }
    }

    /// <summary>A line for the person watching, never part of the result.</summary>
    public void Message(string text) => _messages.WriteLine(text);

    /// <summary>What asks the person for a line, never part of the result.</summary>
    public void Prompt(string text)
    {
        _messages.Write(text);
        _messages.Flush();
    }

    /// <summary>A table of the result.</summary>
    public void Table(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (Json)
        {
            return;
        }
        Table table = new() { Border = TableBorder.Simple };
        foreach (string heading in headings)
        {
            table.AddColumn(new TableColumn(Markup.Escape(heading)));
        }
        foreach (IReadOnlyList<string> row in rows)
        {
            table.AddRow([.. row.Select(cell => (Spectre.Console.Rendering.IRenderable)new Text(cell))]);
        }
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(_result) });
        if (Console.IsOutputRedirected)
        {
            // A file or pipe has no edge to wrap at.
            console.Profile.Width = 400;
        }
        console.Write(table);
    }

    /// <summary>A progress line on stderr.</summary>
    public ProgressLine Progress(TimeProvider? time = null) => new(_messages, live: !Console.IsErrorRedirected, time ?? TimeProvider.System);
}
