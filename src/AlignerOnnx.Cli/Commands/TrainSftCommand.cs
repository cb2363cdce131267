using System.CommandLine;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner train sft</c>: an adapter that learns the completions of a data set.</summary>
internal sealed class TrainSftCommand : AlignerCommand
{
    private readonly TrainingArguments _arguments = new(TrainingOptions.Supervised, "The rows to learn, as JSON lines, JSON or Parquet: messages, prompt and completion, text, Alpaca, ShareGPT, or input_ids and labels.", TrainingRecipe.Alpaca);
    private readonly Option<bool> _findLearningRate = new("--find-lr")
    {
        Description = "Train no adapter: try learning rates from 3e-4 to 1 in 35 steps on eight rows, and suggest one.",
    };

    public TrainSftCommand() : base("sft", "Train an adapter on the completions of a data set; the model itself stays as it is.")
    {
        _arguments.AddTo(this);
        Options.Add(_findLearningRate);
    }

    public override IReadOnlyList<string> Examples =>
    [
        "aligner train sft models/pocket/model-int4 --data models/pocket/data/form-json.train.jsonl --eval models/pocket/data/form-json.eval.jsonl -o pocket-json",
    ];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        FineTuningRequest request = _arguments.RequestOf(parsed);
        if (parsed.GetValue(_findLearningRate))
        {
            using ProgressLine tried = output.Progress();
            LearningRateReport found = LearningRateFinding.Run(request, data => TrainingPrinter.Announce(output, data), point => tried.Report(() => TrainingPrinter.Describe(point)), cancellation);
            if (found.Points is [.., LearningRatePoint last])
            {
                tried.Finish(TrainingPrinter.Describe(last));
            }
            output.Result(found, curve => TrainingPrinter.Show(output, curve));
            return Task.FromResult(ExitCodes.Done);
        }
        using TrainingProgressLine progress = new(output);
        FineTuningReport report = SupervisedFineTuning.Run(request, data => TrainingPrinter.Announce(output, data), progress.Report, cancellation);
        progress.Finish();
        output.Result(report, made => TrainingPrinter.Show(output, made));
        return Task.FromResult(ExitCodes.Done);
    }
}
