using System.CommandLine;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner train dpo</c>: an adapter that learns which of two answers is preferred.</summary>
internal sealed class TrainDpoCommand : AlignerCommand
{
    private static readonly PreferenceRequest StandardRequest = new() { Model = "", Data = "", Output = "" };
    private static readonly PreferenceOptions Standard = PreferenceRequest.RecipeLoss;

    private readonly TrainingArguments _arguments = new(PreferenceRequest.Recipe, "Pairs of answers, as JSON lines, JSON or Parquet: prompt, chosen and rejected, OpenAI's preferred_output, or LLaMA-Factory's.", TrainingRecipe.Safety);
    private readonly Option<string?> _reference = new("--reference") { Description = "The adapter folder that rewards are relative to; without it the base model, also with --from.", HelpName = "ADAPTER" };
    private readonly Option<PreferenceLossKind> _loss = CommonOptions.PreferenceLoss(Standard.Loss);
    private readonly Option<double> _beta = CommonOptions.Beta(Standard.Loss);
    private readonly Option<double> _labelSmoothing = CommonOptions.LabelSmoothing(Standard.Loss);
    private readonly Option<double> _supervisedWeight = CommonOptions.Number("--sft-weight", "The weight of the supervised loss of the preferred answers beside the preference loss.", Standard.SupervisedWeight, least: 0, most: 1e6);

    private readonly Option<int> _supervisedSteps = CommonOptions.Whole("--sft-steps", $"Updates of supervised training on the preferred answers beforehand: its adapter is where preference training starts and, without --reference, what rewards are relative to. 0 for none; with --recipe safety {TrainingRecipe.Safety.Before!.Options.Steps}, unless --from names such an adapter.", standard: 0, least: 0);
    private readonly Option<string?> _keep = new("--keep") { Description = "Rows, in the shapes that train sft reads, whose answers are to stay as probable as by the reference: harmless requests, what the model knows. Without it, conversations that the model makes up by itself.", HelpName = "FILE" };
    private readonly Option<int> _own = CommonOptions.Whole("--own-conversations", "How many conversations the model makes up where there is no --keep; 0 for none.", StandardRequest.OwnConversations, least: 0, most: 100_000);
    private readonly Option<double> _keptWeight = CommonOptions.Number("--keep-weight", "The weight of the rows to keep beside the preference loss.", Standard.KeptWeight, least: 0, most: 1e6);

    public TrainDpoCommand() : base("dpo", "Train an adapter on pairs of a preferred and another answer; the model itself stays as it is.")
    {
        _arguments.AddTo(this);
        foreach (Option option in (Option[])[_reference, _loss, _beta, _labelSmoothing, _supervisedWeight, _supervisedSteps, _keep, _own, _keptWeight])
        {
            Options.Add(option);
        }
    }

    public override IReadOnlyList<string> Examples =>
    [
        "aligner train dpo models/pocket/model-int4 --data models/pocket/data/refuse.preference.train.jsonl --eval models/pocket/data/refuse.preference.eval.jsonl -o pocket-safe",
    ];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        FineTuningRequest common = _arguments.RequestOf(parsed);
        PreferenceRequest request = new(common)
        {
            Before = Before(parsed, common),
            Keep = parsed.GetValue(_keep),
            OwnConversations = _arguments.Chosen(parsed, _own, _ => 0),
            // The authors' reference is the adapter that their run starts from.
            Reference = _arguments.Chosen(parsed, _reference, _ => common.From),
            Preference = new PreferenceOptions
            {
                Loss = new PreferenceLossOptions
                {
                    Kind = parsed.GetValue(_loss),
                    Beta = _arguments.Chosen(parsed, _beta, recipe => recipe.Preference!.Loss.Beta),
                    LabelSmoothing = parsed.GetValue(_labelSmoothing),
                },
                SupervisedWeight = _arguments.Chosen(parsed, _supervisedWeight, recipe => recipe.Preference!.SupervisedWeight),
                KeptWeight = parsed.GetValue(_keptWeight),
            },
        };
        using TrainingProgressLine progress = new(output);
        FineTuningReport report = PreferenceFineTuning.Run(request, data => AfterTheStage(() => TrainingPrinter.Announce(output, data)), text => AfterTheStage(() => output.Message(text)), progress.Report, progress.Report, cancellation);
        progress.Finish();
        output.Result(report, made => TrainingPrinter.Show(output, made));
        return Task.FromResult(ExitCodes.Done);

        void AfterTheStage(Action say)
        {
            progress.Finish();
            say();
        }
    }

    /// <summary>The authors' recipe has a supervised stage of its own, which an adapter to start from stands for.</summary>
    private SupervisedStage? Before(ParseResult parsed, FineTuningRequest common)
    {
        int steps = _arguments.Chosen(parsed, _supervisedSteps, recipe => common.From is null ? recipe.Before!.Options.Steps : 0);
        TrainingRecipe? published = _arguments.RecipeOf(parsed)?.Before;
        return steps == 0 ? null : SupervisedStage.Before(common.Options, published?.Options ?? TrainingOptions.Supervised, steps) with
        {
            LossOn = published?.LossOn ?? LossOn.Answers,
            FitLearningRate = published is null,
        };
    }
}
