using System.CommandLine;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter compile</c>: folds an adapter through a model's weights into the file that GenAI loads.</summary>
internal sealed class AdapterCompileCommand : AlignerCommand
{
    private readonly Argument<string> _adapter = new("ADAPTER") { Description = "An adapter folder." };
    private readonly Option<string> _model = new("--model", "-m") { Description = "The model, patched or not.", HelpName = "MODEL", Required = true };
    private readonly Option<string> _output = new("--output", "-o") { Description = "The .onnx_adapter file to write.", HelpName = "FILE", Required = true };
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();

    public AdapterCompileCommand() : base("compile", "Fold an adapter through a model's weights into an .onnx_adapter file.")
    {
        Arguments.Add(_adapter);
        Options.Add(_model);
        Options.Add(_output);
        Options.Add(_anyBase);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter compile my-adapters/json --model pocket-patched -o json.onnx_adapter"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string file = Path.GetFullPath(parsed.GetRequiredValue(_output));
        AdapterCompiler.Compile(AdapterPackage.Load(parsed.GetRequiredValue(_adapter)), parsed.GetRequiredValue(_model), file, parsed.GetValue(_anyBase));
        output.Result(new Report(file, new FileInfo(file).Length), report => output.Line($"{report.Output} ({report.Bytes:N0} bytes)"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner adapter compile --json</c> writes.</summary>
    private sealed record Report(string Output, long Bytes);
}
