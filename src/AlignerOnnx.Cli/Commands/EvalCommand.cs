using System.CommandLine;
using System.Globalization;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner eval</c>: the loss of a model on a data set, without and with adapters.</summary>
internal sealed class EvalCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _data = new("--data") { Description = "The rows to measure, in the shapes that train sft and train dpo read; pairs of answers are ranked too.", HelpName = "FILE", Required = true };
    private readonly Option<string[]> _adapters = CommonOptions.Adapters();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _batchSize = CommonOptions.Whole("--batch-size", "Rows computed at once.", standard: 4, least: 1);
    private readonly Option<int> _maximumLength = CommonOptions.Whole("--max-length", "The longest row in tokens; longer rows lose their end.", standard: 512, least: 2);

    private static readonly string[] Columns = ["adapter", "loss", "perplexity", "tokens"];
    private static readonly string[] PreferenceColumns = ["preferred", "gained", "margin"];

    public EvalCommand() : base("eval", "Measure loss, perplexity and preferences on a data set, without and with adapters.")
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
        output.Result(new Report(data, results), report => output.Table(
            [.. Columns, .. report.Results[0].Preference is null ? [] : PreferenceColumns],
            report.Results.Select(result => (string[])[result.Adapter ?? "(base)", Number(result.Loss), Number(result.Perplexity), $"{result.Tokens}", .. Ranking(result.Preference)])));
        return Task.FromResult(ExitCodes.Done);
    }

    private static string[] Ranking(PreferenceScores? scores) => scores is null ? [] : [Share(scores.Accuracy), Share(scores.GainAccuracy), scores.Margin is double margin ? Number(margin) : "-"];

    private static string Share(double? share) => share?.ToString("P1", CultureInfo.InvariantCulture) ?? "-";

    private static string Number(double value) => value.ToString("F4", CultureInfo.InvariantCulture);

    /// <summary>What <c>aligner eval --json</c> writes.</summary>
    private sealed record Report(string Data, IReadOnlyList<AdapterLoss> Results);
}
