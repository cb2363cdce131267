using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner eval</c>: losses and answers of a model, without and with adapters side by side.</summary>
internal sealed class EvalCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string?> _data = new("--data") { Description = "The rows to measure, in the shapes that train sft and train dpo read; pairs of answers are ranked too.", HelpName = "FILE" };
    private readonly Option<string[]> _adapters = CommonOptions.Adapters();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _batchSize = CommonOptions.Whole("--batch-size", "Rows computed at once.", standard: 4, least: 1);
    private readonly Option<int> _maximumLength = CommonOptions.Whole("--max-length", "The longest row in tokens; longer rows lose their end.", standard: 512, least: 2);
    private readonly Option<bool> _answers = new("--answers") { Description = "Answer the prompts of --data too: exact matches, JSON objects, answers in the form of the file's." };
    private readonly Option<Regex?> _pattern = Pattern();
    private readonly Option<string?> _knowledge = new("--knowledge") { Description = "Questions that measure what the model knows: JSON of questions and answers, or MMLU's CSV.", HelpName = "FILE" };
    private readonly Option<string?> _form = new("--form") { Description = "Rows whose answers show the form that is asked for.", HelpName = "FILE" };
    private readonly Option<int> _limit = CommonOptions.Whole("--limit", "The most rows of a file that are answered, the first ones.", standard: 200, least: 1);
    private readonly Option<double> _temperature = CommonOptions.Number("--temperature", "0 takes the likeliest token always; above, tokens are drawn.", standard: 0, least: 0, most: 10);
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<int> _maximumTokens = CommonOptions.Whole("--max-tokens", "The most tokens of an answer.", standard: 128, least: 1);

    public EvalCommand() : base("eval", "Measure losses and answers, what a model knows and in which form it answers, without and with adapters.")
    {
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_data, _adapters, _anyBase, _batchSize, _maximumLength, _answers, _pattern, _knowledge, _form, _limit, _temperature, _seed, _maximumTokens])
        {
            Options.Add(option);
        }
        Validators.Add(result =>
        {
            if (result.GetResult(_data) is null && result.GetResult(_knowledge) is null && result.GetResult(_form) is null)
            {
                result.AddError("Nothing to measure: give --data, --knowledge or --form.");
            }
        });
    }

    public override IReadOnlyList<string> Examples =>
    [
        "aligner eval models/pocket/model-int4 --data models/pocket/data/form-json.eval.jsonl --adapter pocket-json",
        "aligner eval models/pocket/model-int4 --knowledge models/pocket/data/facts.json --form models/pocket/data/form-json.eval.jsonl --adapter pocket-json",
    ];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string[] adapters = parsed.GetRequiredValue(_adapters);
        using ProgressLine progress = output.Progress();
        EvaluationData? data = parsed.GetValue(_data) is string path ? EvaluationData.Read(path) : null;
        IReadOnlyList<AdapterLoss>? losses = data is null ? null : AdapterEvaluation.Measure(
            parsed.GetRequiredValue(_model), data, adapters, parsed.GetValue(_anyBase), parsed.GetValue(_maximumLength), parsed.GetValue(_batchSize), progress.Report, cancellation);
        Result[] results = [.. adapters.Prepend(null).Select((adapter, i) => Measure(parsed, data, adapter, losses?[i], progress, cancellation))];
        output.Result(new Report(parsed.GetValue(_data), parsed.GetValue(_knowledge), parsed.GetValue(_form), results), report => EvalPrinter.Show(output, report.Results));
        return Task.FromResult(ExitCodes.Done);
    }

    private Result Measure(ParseResult parsed, EvaluationData? data, string? adapter, AdapterLoss? loss, ProgressLine progress, CancellationToken cancellation)
    {
        Result result = new(adapter, loss?.Loss, loss?.Tokens, loss?.Perplexity) { Preference = loss?.Preference };
        ConversationDataSet? answered = parsed.GetValue(_answers) || parsed.GetValue(_pattern) is not null ? data?.Answers : null;
        if (answered is null && parsed.GetValue(_knowledge) is null && parsed.GetValue(_form) is null)
        {
            return result;
        }
        AnswerOptions options = new()
        {
            Limit = parsed.GetValue(_limit),
            Temperature = parsed.GetValue(_temperature),
            Seed = parsed.GetValue(_seed),
            MaximumTokens = parsed.GetValue(_maximumTokens),
            Pattern = parsed.GetValue(_pattern),
        };
        using AnswerEvaluation model = new(parsed.GetRequiredValue(_model), adapter, parsed.GetValue(_anyBase), options);
        return result with
        {
            Answers = answered is null ? null : model.Answers(answered, progress.Report, cancellation),
            Knowledge = parsed.GetValue(_knowledge) is string knowledge ? model.Knowledge(KnowledgeFile.Read(knowledge), progress.Report, cancellation) : null,
            Form = parsed.GetValue(_form) is string form ? model.Answers(ConversationDataSet.Read(form), progress.Report, cancellation) : null,
        };
    }

    private static Option<Regex?> Pattern() => new("--pattern")
    {
        Description = "A regular expression that answers are to match.",
        HelpName = "REGEX",
        CustomParser = result =>
        {
            try
            {
                // The engine that never runs longer than its input asks for: a pattern is input too.
                return new Regex(result.Tokens[^1].Value, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
            }
            catch (Exception wrong) when (wrong is ArgumentException or NotSupportedException)
            {
                result.AddError($"--pattern cannot be used: {wrong.Message}");
                return null;
            }
        },
    };

    /// <summary>What <c>aligner eval --json</c> writes.</summary>
    private sealed record Report(string? Data, string? Knowledge, string? Form, IReadOnlyList<Result> Results);

    /// <summary>The measures of the base model (no adapter) or of one adapter; null for what was not asked for.</summary>
    internal sealed record Result(string? Adapter, double? Loss, long? Tokens, double? Perplexity)
    {
        public PreferenceScores? Preference { get; init; }

        public AnswerScores? Answers { get; init; }

        public KnowledgeScores? Knowledge { get; init; }

        public AnswerScores? Form { get; init; }
    }
}
