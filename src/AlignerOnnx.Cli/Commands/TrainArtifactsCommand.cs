using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner train artifacts</c>: what ONNX Runtime Training needs to train an adapter on a device.</summary>
internal sealed class TrainArtifactsCommand : AlignerCommand
{
    private static readonly ArtifactOptions Standard = new();

    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _output = CommonOptions.OutputFolder("The folder to make; it must not exist, or be empty.");
    private readonly Option<int> _tokens = CommonOptions.Tokens();
    private readonly Option<AttentionReading> _attention = CommonOptions.Attention();
    private readonly Option<int> _startLayer = CommonOptions.StartLayer();
    private readonly Option<string?> _from = CommonOptions.From();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _steps = CommonOptions.Whole("--steps", "Steps of the learning rate's schedule; later steps have the rate of the last.", Standard.Steps, least: 1, most: 1_000_000);
    private readonly Option<double> _learningRate = CommonOptions.Number("--learning-rate", "The step size of AdamW; the default is for a hidden size of 128 and falls for larger ones as those of train sft and, with --pairs, of train dpo do.", 0.02, least: 1e-9, most: 10);
    private readonly Option<LearningRateShape> _schedule = CommonOptions.Schedule(LearningRateShape.Constant);
    private readonly Option<int> _warmUp = CommonOptions.Whole("--warm-up", "Steps in which the learning rate grows.", standard: 0, least: 0);
    private readonly Option<double> _clip = CommonOptions.Number("--clip", "The largest norm of a gradient; 0 does not clip.", standard: 0, least: 0, most: 1e6);
    private readonly Option<double> _weightDecay = CommonOptions.Number("--weight-decay", "The decoupled weight decay of AdamW.", Standard.Optimizer.WeightDecay, least: 0, most: 10);
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<bool> _pairs = new("--pairs") { Description = "The training graph's loss is over pairs of a preferred and another answer, as in train dpo; a step then takes six more inputs." };
    private readonly Option<PreferenceLossKind> _loss = CommonOptions.PreferenceLoss(PreferenceRequest.RecipeLoss.Loss);
    private readonly Option<double> _beta = CommonOptions.Beta(PreferenceRequest.RecipeLoss.Loss);
    private readonly Option<double> _labelSmoothing = CommonOptions.LabelSmoothing(PreferenceRequest.RecipeLoss.Loss);
    private readonly Option<bool> _recompute = CommonOptions.Recompute();
    private readonly Option<bool> _inline = new("--inline") { Description = "Put the frozen weights into both graphs, for runtimes that get graphs as bytes, as in a browser; for small models." };

    public TrainArtifactsCommand() : base("artifacts", "Write the graphs and the checkpoint with which ONNX Runtime Training trains an adapter on a device.")
    {
        Validators.Add(command => CommonOptions.RequireEveryLayer(command, _attention, _startLayer));
        Validators.Add(RequirePairs);
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_output, _tokens, _attention, _startLayer, _from, _anyBase, _steps, _learningRate, _schedule, _warmUp, _clip, _weightDecay, _seed, _pairs, _loss, _beta, _labelSmoothing, _recompute, _inline])
        {
            Options.Add(option);
        }
    }

    public override IReadOnlyList<string> Examples => ["aligner train artifacts models/pocket/model-int4 -o pocket-artifacts"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string destination = Path.GetFullPath(parsed.GetRequiredValue(_output));
        int steps = parsed.GetValue(_steps);
        ArtifactOptions options = new()
        {
            Tokens = parsed.GetValue(_tokens),
            Attention = parsed.GetValue(_attention),
            StartLayer = parsed.GetValue(_attention) == AttentionReading.Concat ? 0 : parsed.GetValue(_startLayer),
            Preference = parsed.GetValue(_pairs) ? new PreferenceLossOptions { Kind = parsed.GetValue(_loss), Beta = parsed.GetValue(_beta), LabelSmoothing = parsed.GetValue(_labelSmoothing) } : null,
            Steps = steps,
            Schedule = new LearningRateSchedule(parsed.GetValue(_schedule), parsed.GetValue(_learningRate), Math.Min(parsed.GetValue(_warmUp), steps), steps),
            Optimizer = Standard.Optimizer with { WeightDecay = parsed.GetValue(_weightDecay) },
            MaximumGradientNorm = parsed.GetValue(_clip) is double norm and > 0 ? norm : null,
            Seed = (ulong)parsed.GetValue(_seed),
            Recompute = parsed.GetValue(_recompute),
            Inline = parsed.GetValue(_inline),
        };
        ArtifactOptions made = OnDeviceArtifacts.Write(parsed.GetRequiredValue(_model), destination, options, parsed.GetValue(_from), parsed.GetValue(_anyBase), WidthExponent(parsed));
        output.Result(new Report(destination, made.Start!.Parameters.Shape.TrainableValues, made.Tokens, made.StartLayer, steps, made.Schedule!.Peak), report =>
        {
            output.Line($"{report.Output}");
            output.Line($"  {ArtifactNames.TrainingModel}, {ArtifactNames.EvaluationModel}, {ArtifactNames.OptimizerModel}, {ArtifactNames.Checkpoint}");
            output.Line($"  trains {report.TrainableParameters} numbers at a learning rate of {report.LearningRate.ToString("G3", CultureInfo.InvariantCulture)}; AdamW, schedule and clipping are in the optimizer graph");
        });
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>A rate that is given is meant for this model.</summary>
    private double WidthExponent(ParseResult parsed) =>
        parsed.GetResult(_learningRate) is { Implicit: false } ? 0 : (parsed.GetValue(_pairs) ? PreferenceRequest.Recipe : TrainingOptions.Supervised).WidthExponent;

    private void RequirePairs(CommandResult command)
    {
        foreach (Option option in ((Option[])[_loss, _beta, _labelSmoothing]).Where(option => !command.GetValue(_pairs) && command.GetResult(option) is { Implicit: false }))
        {
            command.AddError($"{option.Name} goes with {_pairs.Name} alone.");
        }
    }

    /// <summary>What <c>aligner train artifacts --json</c> writes.</summary>
    private sealed record Report(string Output, int TrainableParameters, int Tokens, int StartLayer, int Steps, double LearningRate);
}
