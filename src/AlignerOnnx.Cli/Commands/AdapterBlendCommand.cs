using System.CommandLine;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter blend</c>: one adapter of several, each at a scale of its own, where that is exact.</summary>
internal sealed class AdapterBlendCommand : AlignerCommand
{
    private readonly Argument<string[]> _parts = new("ADAPTER[:SCALE]")
    {
        Description = "An adapter folder or .onnx_adapter file and what it is multiplied by (1 where no scale is given; it may be negative).",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _model = new("--model", "-m") { Description = "The model: the blend becomes a compiled adapter for it, which adapters of one token need whose tokens differ.", HelpName = "MODEL" };
    private readonly Option<string> _output = new("--output", "-o") { Description = "The adapter folder to make, or with --model or compiled adapters the .onnx_adapter file to write.", HelpName = "OUT", Required = true };
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();

    public AdapterBlendCommand() : base("blend", "Make one adapter of several, each at a scale of its own, where that is exact: scale one, sum adapters of the same tokens, or through a model sum adapters of one token.")
    {
        Arguments.Add(_parts);
        Options.Add(_model);
        Options.Add(_output);
        Options.Add(_anyBase);
    }

    public override IReadOnlyList<string> Examples =>
        ["aligner adapter blend my-adapters/json:0.5 -o half-json", "aligner adapter blend my-adapters/json:0.7 my-adapters/pirate:0.3 --model models/pocket/model-int4 -o both.onnx_adapter"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        BlendPart[] parts = [.. parsed.GetRequiredValue(_parts).Select(BlendPart.Parse)];
        string made = Path.GetFullPath(parsed.GetRequiredValue(_output));
        BlendForm form = AdapterBlend.Blend(parts, parsed.GetValue(_model), made, parsed.GetValue(_anyBase));
        output.Result(new Report(made, form, [.. parts.Select(part => new Part(part.Path, part.Scale))]), report => output.Line($"{report.Output}: {string.Join(" + ", (object[])parts)}"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner adapter blend --json</c> writes.</summary>
    private sealed record Report(string Output, BlendForm Form, IReadOnlyList<Part> Adapters);

    private sealed record Part(string Adapter, double Scale);
}
