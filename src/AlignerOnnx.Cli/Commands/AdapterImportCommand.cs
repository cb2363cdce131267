using System.CommandLine;
using AlignerOnnx.Adapters;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter import</c>: makes an adapter folder of tokens and gates that were trained elsewhere.</summary>
internal sealed class AdapterImportCommand : AlignerCommand
{
    private readonly Argument<string> _source = new("SOURCE")
    {
        Description = "What holds tokens and gates: a .pth file of the authors' code, lit-llama or litgpt; the folder of a PEFT adaption_prompt checkpoint; a checkpoint that ONNX Runtime Training saved; the .run folder of a stopped run.",
    };

    private readonly Option<string?> _model = new("--model", "-m") { Description = "The model that it was trained on; a .pth file can do without, its adapter then fits with --any-base alone.", HelpName = "MODEL" };
    private readonly Option<string> _output = CommonOptions.OutputFolder("The adapter folder to make; it must not exist, or be empty.");
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();

    public AdapterImportCommand() : base("import", "Make an adapter folder of a checkpoint that was trained elsewhere.")
    {
        Arguments.Add(_source);
        Options.Add(_model);
        Options.Add(_output);
        Options.Add(_anyBase);
    }

    public override IReadOnlyList<string> Examples =>
        ["aligner adapter import device.ckpt --model models/pocket/model-int4 -o from-device", "aligner adapter import llama2-7b-alpaca-1token.pth --model llama2-7b-int4 -o alpaca"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string folder = Path.GetFullPath(parsed.GetRequiredValue(_output));
        AdapterConfig config = AdapterImport.Run(parsed.GetRequiredValue(_source), parsed.GetValue(_model), folder, parsed.GetValue(_anyBase)).Config;
        output.Result(new Report(folder, config.NumTokens, config.StartLayer, config.Training!.Steps), report =>
            output.Line($"{report.Output}: {report.Tokens} {Plural.Of("token", report.Tokens)}, from layer {report.StartLayer}{(report.Steps > 0 ? $", after {report.Steps} {Plural.Of("step", report.Steps)}" : "")}"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner adapter import --json</c> writes.</summary>
    private sealed record Report(string Output, int Tokens, int StartLayer, int Steps);
}
