using System.CommandLine;
using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner train sft</c>: an adapter that learns the completions of a data set.</summary>
internal sealed class TrainSftCommand : AlignerCommand
{
    private static readonly SupervisedTrainingOptions Standard = new();

    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _data = new("--data") { Description = "The rows to learn: JSON lines of messages, prompt and completion, or input_ids and labels.", HelpName = "FILE", Required = true };
    private readonly Option<string?> _evaluation = new("--eval") { Description = "Rows to measure at the end.", HelpName = "FILE" };
    private readonly Option<string> _output = CommonOptions.OutputFolder("The adapter folder to make; it must not exist, or be empty.");
    private readonly Option<int> _tokens = CommonOptions.Tokens();
    private readonly Option<int> _startLayer = CommonOptions.StartLayer();
    private readonly Option<string?> _from = new("--from") { Description = "An adapter folder to start from; its tokens and start layer are kept.", HelpName = "ADAPTER" };
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _steps = CommonOptions.Whole("--steps", "Updates.", Standard.Steps, least: 1);
    private readonly Option<int> _batchSize = CommonOptions.Whole("--batch-size", "Rows of an update.", Standard.BatchSize, least: 1);
    private readonly Option<int> _microBatch = CommonOptions.Whole("--micro-batch", "Rows computed at once: fewer need less memory, for the same update.", standard: 4, least: 1);
    private readonly Option<double> _learningRate = CommonOptions.Number("--learning-rate", "The step size of AdamW.", Standard.LearningRate, least: 1e-9, most: 10);
    private readonly Option<double> _weightDecay = CommonOptions.Number("--weight-decay", "The decoupled weight decay of AdamW.", Standard.Optimizer.WeightDecay, least: 0, most: 10);
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<int> _maximumLength = CommonOptions.Whole("--max-length", "The longest row in tokens; longer rows lose their end.", standard: 512, least: 2);
    private readonly Option<bool> _recompute = CommonOptions.Recompute();
    private readonly Option<bool> _pack = new("--pack") { Description = "Let short rows of a micro-batch share a line: less work on padding, the same loss." };

    public TrainSftCommand() : base("sft", "Train an adapter on the completions of a data set; the model itself stays as it is.")
    {
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_data, _evaluation, _output, _tokens, _startLayer, _from, _anyBase, _steps, _batchSize, _microBatch, _learningRate, _weightDecay, _seed, _maximumLength, _recompute, _pack])
        {
            Options.Add(option);
        }
    }

    public override IReadOnlyList<string> Examples =>
    [
        "aligner train sft models/pocket/model-int4 --data models/pocket/data/form-json.train.jsonl --eval models/pocket/data/form-json.eval.jsonl -o pocket-json",
    ];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        using TrainingProgressLine progress = new(output);
        FineTuningReport report = SupervisedFineTuning.Run(RequestOf(parsed), data => Announce(output, data), progress.Report, cancellation);
        progress.Finish();
        output.Result(report, made => Show(output, made));
        return Task.FromResult(ExitCodes.Done);
    }

    private FineTuningRequest RequestOf(ParseResult parsed) => new()
    {
        Model = parsed.GetRequiredValue(_model),
        Data = parsed.GetRequiredValue(_data),
        Evaluation = parsed.GetValue(_evaluation),
        Output = parsed.GetRequiredValue(_output),
        From = parsed.GetValue(_from),
        AnyBase = parsed.GetValue(_anyBase),
        MaximumLength = parsed.GetValue(_maximumLength),
        Recompute = parsed.GetValue(_recompute),
        Options = new SupervisedTrainingOptions
        {
            Steps = parsed.GetValue(_steps),
            BatchSize = parsed.GetValue(_batchSize),
            MicroBatchSize = parsed.GetValue(_microBatch),
            Pack = parsed.GetValue(_pack),
            LearningRate = parsed.GetValue(_learningRate),
            Optimizer = new AdamWOptions { WeightDecay = parsed.GetValue(_weightDecay) },
            StartLayer = parsed.GetValue(_startLayer),
            Tokens = parsed.GetValue(_tokens),
            Seed = (ulong)parsed.GetValue(_seed),
        },
    };

    private static void Announce(CommandOutput output, DataReport data)
    {
        output.Message(string.Create(CultureInfo.InvariantCulture, $"data: {data.Rows:N0} rows, {data.Tokens:N0} tokens, {data.CompletionTokens:N0} of them learnt; {data.Truncated:N0} rows cut, {data.Dropped.Count:N0} left out"));
        foreach (DroppedRow row in data.Dropped.Take(5))
        {
            output.Message($"  left out {row.Place}: {row.Reason}");
        }
    }

    private static void Show(CommandOutput output, FineTuningReport made)
    {
        output.Line(made.Output);
        output.Line(string.Create(CultureInfo.InvariantCulture, $"  trained           {made.TrainableParameters:N0} parameters ({made.Tokens} token{(made.Tokens == 1 ? "" : "s")}, from layer {made.StartLayer}), {made.Steps:N0} steps in {made.Seconds:F1} s"));
        output.Line(string.Create(CultureInfo.InvariantCulture, $"  final loss        {made.FinalLoss:F4}"));
        if (made.EvalLoss is double loss)
        {
            output.Line(string.Create(CultureInfo.InvariantCulture, $"  evaluation loss   {loss:F4}"));
        }
        output.Line(string.Create(CultureInfo.InvariantCulture, $"  peak memory       {made.PeakMemoryBytes / 1e6:N0} MB"));
    }
}
