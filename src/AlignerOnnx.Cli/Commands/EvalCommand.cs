using System.CommandLine;
using System.Globalization;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner eval</c>: the loss of a model on a data set, without and with adapters.</summary>
internal sealed class EvalCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _data = new("--data") { Description = "The rows to measure, in the shapes that train sft reads.", HelpName = "FILE", Required = true };
    private readonly Option<string[]> _adapters = CommonOptions.Adapters();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _batchSize = CommonOptions.Whole("--batch-size", "Rows computed at once.", standard: 4, least: 1);
    private readonly Option<int> _maximumLength = CommonOptions.Whole("--max-length", "The longest row in tokens; longer rows lose their end.", standard: 512, least: 2);

    public EvalCommand() : base("eval", "Measure loss and perplexity on the completions of a data set, without and with adapters.")
    {
        Arguments.Add(_model);
        Options.Add(_data);
        Options.Add(_adapters);
        Options.Add(_anyBase);
        Options.Add(_batchSize);
        Options.Add(_maximumLength);
    }

    public override IReadOnlyList<string> Examples => ["aligner eval models/pocket/model-int4 --data models/pocket/data/form-json.eval.jsonl --adapter pocket-json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string data = parsed.GetRequiredValue(_data);
        IReadOnlyList<AdapterLoss> results = AdapterEvaluation.Measure(
            parsed.GetRequiredValue(_model), data, parsed.GetRequiredValue(_adapters), parsed.GetValue(_anyBase), parsed.GetValue(_maximumLength), parsed.GetValue(_batchSize), cancellation);
        output.Result(new Report(data, results), report => output.Table(["adapter", "loss", "perplexity", "tokens"],
            report.Results.Select(result => new[] { result.Adapter ?? "(base)", Number(result.Loss), Number(result.Perplexity), $"{result.Tokens}" })));
        return Task.FromResult(ExitCodes.Done);
    }

    private static string Number(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    /// <summary>What <c>aligner eval --json</c> writes.</summary>
    private sealed record Report(string Data, IReadOnlyList<AdapterLoss> Results);
}
