using System.CommandLine;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter export</c>: writes tokens and gates in a form that another program reads.</summary>
internal sealed class AdapterExportCommand : AlignerCommand
{
    private readonly Argument<string> _adapter = new("ADAPTER") { Description = "An adapter folder." };
    private readonly Option<ExportFormat> _format = CommonOptions.Choice("--format", "lit-llama: a torch file of the method's authors; ort-checkpoint: a checkpoint of ONNX Runtime Training.", ExportFormat.LitLlama);
    private readonly Option<string> _output = new("--output", "-o") { Description = "The file to write.", HelpName = "FILE", Required = true };

    public AdapterExportCommand() : base("export", "Write an adapter in a form that another program reads and `adapter import` takes back; `adapter compile` writes what GenAI loads.")
    {
        Arguments.Add(_adapter);
        Options.Add(_format);
        Options.Add(_output);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter export my-adapters/json --format lit-llama -o json.pth"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string file = Path.GetFullPath(parsed.GetRequiredValue(_output));
        ExportFormat format = parsed.GetValue(_format);
        AdapterExport.Run(parsed.GetRequiredValue(_adapter), format, file);
        output.Result(new Report(file, format, new FileInfo(file).Length), report => output.Line($"{report.Output} ({report.Bytes:N0} bytes)"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner adapter export --json</c> writes.</summary>
    private sealed record Report(string Output, ExportFormat Format, long Bytes);
}
