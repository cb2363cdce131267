using System.CommandLine;
using AlignerOnnx.Adapters;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner patch</c>: a model folder with slots for adapters, made from a base model that is only read.</summary>
internal sealed class PatchCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _output = CommonOptions.OutputFolder("The folder to make; it must not exist, or be empty.");
    private readonly Option<string?> _slots = CommonOptions.Slots(OneTokenInjection.Layout);
    private readonly Option<WeightCopy> _weights = WeightOption.Create();

    public PatchCommand() : base("patch", "Make a patched copy of a model: with slots for adapters, and the base model's answers while they are empty.")
    {
        Arguments.Add(_model);
        Options.Add(_output);
        Options.Add(_slots);
        Options.Add(_weights);
    }

    public override IReadOnlyList<string> Examples => ["aligner patch models/pocket/model-int4 -o pocket-patched"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string destination = Path.GetFullPath(parsed.GetRequiredValue(_output));
        WeightCopy weights = WeightOption.Chosen(parsed, _weights, output);
        PatchFacts facts = ModelPatcher.Patch(parsed.GetRequiredValue(_model), destination, weights, SlotLayouts.Find(parsed.GetRequiredValue(_slots))!.Value);
        foreach (string warning in facts.Warnings)
        {
            output.Message($"aligner: {warning}");
        }
        Architecture sizes = facts.Architecture;
        output.Result(new Report(destination, facts.Layout, facts.Slots, sizes.Layers, facts.BaseFile, facts.Warnings), report =>
        {
            output.Line($"{report.Output}");
            output.Line($"  slots             {report.Slots} at {report.Sites} attention sites: {string.Join(", ", report.Inputs)}");
            output.Line($"  base              {report.Base}");
        });
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner patch --json</c> writes.</summary>
    private sealed record Report(string Output, string Slots, IReadOnlyList<SlotDocument> Inputs, int Sites, string Base, IReadOnlyList<string> Warnings);
}
