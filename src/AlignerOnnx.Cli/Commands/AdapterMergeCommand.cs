using System.CommandLine;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter merge</c>: a model folder with an adapter in it, for applications that know of no slots.</summary>
internal sealed class AdapterMergeCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Argument<string> _adapter = new("ADAPTER") { Description = "An adapter folder or an .onnx_adapter file: gated, any number of tokens." };
    private readonly Option<string> _output = CommonOptions.OutputFolder("The model folder to make; it must not exist, or be empty.");
    private readonly Option<WeightCopy> _weights = WeightOption.Create();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();

    public AdapterMergeCommand() : base("merge", "Make a copy of a model that has an adapter in it: any ONNX Runtime GenAI application answers with it and knows of no slots.")
    {
        Arguments.Add(_model);
        Arguments.Add(_adapter);
        Options.Add(_output);
        Options.Add(_weights);
        Options.Add(_anyBase);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter merge models/pocket/model-int4 my-adapters/json -o pocket-json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string destination = Path.GetFullPath(parsed.GetRequiredValue(_output));
        WeightCopy weights = WeightOption.Chosen(parsed, _weights, output);
        MergeFacts facts = ModelMerger.Merge(parsed.GetRequiredValue(_model), parsed.GetRequiredValue(_adapter), destination, weights, parsed.GetValue(_anyBase));
        output.Result(new Report(destination, facts), report => output.Line($"{report.Output}: {report.Merged.Adapter} ({report.Merged.Layout}), sha256:{report.Merged.AdapterSha256}"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner adapter merge --json</c> writes.</summary>
    private sealed record Report(string Output, MergeFacts Merged);
}
