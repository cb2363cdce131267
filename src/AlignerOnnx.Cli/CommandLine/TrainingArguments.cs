using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>What all methods of <c>aligner train</c> take: the model, the data, the recipe, and where the adapter goes.</summary>
internal sealed class TrainingArguments
{
    private readonly TrainingOptions _standard;
    private readonly IReadOnlyList<TrainingRecipe> _recipes;
    private readonly bool _fitsLearningRate;
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _data;
    private readonly Option<string?> _evaluation = new("--eval") { Description = "Held-out rows; of the steps measured on them, the best one's adapter is kept.", HelpName = "FILE" };
    private readonly Option<string> _output = CommonOptions.OutputFolder("The adapter folder to make; it must not exist, or be empty.");
    private readonly Option<int> _tokens = CommonOptions.Tokens();
    private readonly Option<int> _startLayer = CommonOptions.StartLayer();
    private readonly Option<AttentionReading> _attention = CommonOptions.Attention();
    private readonly Option<string?> _from = CommonOptions.From();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _steps;
    private readonly Option<int> _batchSize;
    private readonly Option<int> _microBatch = CommonOptions.Whole("--micro-batch", "Rows computed at once: fewer need less memory, for the same update.", standard: 4, least: 1);
    private readonly Option<double> _learningRate;
    private readonly Option<double> _learningRateMultiplier = CommonOptions.Number("--learning-rate-multiplier", "What the learning rate is multiplied with, also the default.", standard: 1, least: 1e-6, most: 1e6);
    private readonly Option<LearningRateShape> _schedule;
    private readonly Option<int> _warmUp;
    private readonly Option<double> _clip = CommonOptions.Number("--clip", "The largest norm of a gradient; 0 does not clip.", standard: 0, least: 0, most: 1e6);
    private readonly Option<double> _weightDecay;
    private readonly Option<double> _tokenScale;
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<BatchOrder> _order = CommonOptions.Choice("--order", "The order of rows: a new random one in each epoch, or the file's.", BatchOrder.Shuffled);
    private readonly Option<int> _maximumLength = CommonOptions.Whole("--max-length", "The longest row in tokens; longer rows lose their end.", standard: 512, least: 2);
    private readonly Option<LossOn> _lossOn = CommonOptions.LossOn();
    private readonly Option<PromptStyle> _promptStyle = CommonOptions.PromptStyle();
    private readonly Option<bool> _recompute = CommonOptions.Recompute();
    private readonly Option<string> _engine = CommonOptions.Engine();
    private readonly Option<ComputeDevice> _device = CommonOptions.Device();
    private readonly Option<string?> _ortTrainingLibrary = CommonOptions.OrtTrainingLibrary();
    private readonly Option<bool> _pack = new("--pack") { Description = "Let short rows of a micro-batch share a line: less work on padding, the same loss." };
    private readonly Option<int> _evaluateEvery = CommonOptions.Whole("--eval-every", "Steps between two measurements of the --eval rows; 0 takes a tenth of the steps.", standard: 0, least: 0);
    private readonly Option<int> _patience = CommonOptions.Whole("--patience", "Stop after so many measurements in a row without a better one; 0 never stops early, but while the loss is far above its start, after 3.", standard: 0, least: 0);
    private readonly Option<int> _checkpointEvery = CommonOptions.Whole("--checkpoint-every", "Steps between two checkpoints.", standard: 10, least: 1);
    private readonly Option<string?> _recipe = new("--recipe") { HelpName = "NAME" };
    private readonly Option<bool> _resume = new("--resume") { Description = "Continue a run that was stopped; it ends exactly where it would have ended." };

    /// <param name="standard">The defaults.</param>
    /// <param name="data">What the data file holds.</param>
    /// <param name="recipes">Published recipes that <c>--recipe</c> names.</param>
    public TrainingArguments(TrainingOptions standard, string data, params IReadOnlyList<TrainingRecipe> recipes)
    {
        _standard = standard;
        _recipes = recipes;
        _fitsLearningRate = standard.WidthExponent > 0;
        _recipe.Description = $"A published recipe; options that are given go before it. {string.Join(" ", recipes.Select(recipe => $"{recipe.Name}: {recipe.Description}."))}";
        _recipe.AcceptOnlyFromAmong([.. recipes.Select(recipe => recipe.Name)]);
        _data = new("--data") { Description = data, HelpName = "FILE", Required = true };
        _steps = CommonOptions.Whole("--steps", "Updates.", standard.Steps, least: 1);
        _batchSize = CommonOptions.Whole("--batch-size", "Rows of an update; of fewer rows than that each one once.", standard.BatchSize, least: 1);
        _learningRate = CommonOptions.Number("--learning-rate", _fitsLearningRate ? string.Create(CultureInfo.InvariantCulture, $"The step size of AdamW; the default is for a hidden size of 128 and falls for larger ones, to {standard.ForWidth(4096).LearningRate:G2} at 4096.") : "The step size of AdamW.", standard.LearningRate, least: 1e-9, most: 10);
        _schedule = CommonOptions.Schedule(standard.Schedule);
        _warmUp = CommonOptions.Whole("--warm-up", "Steps in which the learning rate grows.", standard.WarmUpSteps, least: 0);
        _weightDecay = CommonOptions.Number("--weight-decay", "The decoupled weight decay of AdamW.", standard.Optimizer.WeightDecay, least: 0, most: 10);
        _tokenScale = CommonOptions.Number("--token-scale", "The standard deviation of a new adapter's tokens; 0 takes sqrt(128 / hidden size), at most 1, and 1 for concat attention.", standard.TokenScale ?? 0, least: 0, most: 1e3);
    }

    public void AddTo(Command command)
    {
        command.Validators.Add(parsed => CommonOptions.RequireEveryLayer(parsed, _attention, _startLayer));
        command.Validators.Add(RequireEvaluation);
        command.Validators.Add(parsed => CommonOptions.RequireOrtTraining(parsed, _ortTrainingLibrary, _engine));
        command.Validators.Add(parsed => CommonOptions.RequirePlainEngine(parsed, _device, _engine));
        command.Arguments.Add(_model);
        if (_recipes.Count > 0)
        {
            command.Options.Add(_recipe);
        }
        foreach (Option option in (Option[])[_data, _evaluation, _output, _tokens, _attention, _startLayer, _from, _anyBase, _steps, _batchSize, _microBatch, _learningRate, _learningRateMultiplier, _schedule, _warmUp, _clip, _weightDecay,
            _tokenScale, _seed, _order, _maximumLength, _lossOn, _promptStyle, _recompute, _pack, _evaluateEvery, _patience, _checkpointEvery, _resume, _engine, _device, _ortTrainingLibrary])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Without held-out rows nothing is measured, and a run that should stop early would not.</summary>
    private void RequireEvaluation(CommandResult command)
    {
        if (CommonOptions.Typed(command, _evaluation) is null && int.TryParse(CommonOptions.Typed(command, _patience), CultureInfo.InvariantCulture, out int patience) && patience > 0)
        {
            command.AddError($"{_patience.Name} {patience} needs {_evaluation.Name}, the rows that are measured.");
        }
    }

    public FineTuningRequest RequestOf(ParseResult parsed) => new()
    {
        Model = parsed.GetRequiredValue(_model),
        Data = parsed.GetRequiredValue(_data),
        Evaluation = parsed.GetValue(_evaluation),
        Output = parsed.GetRequiredValue(_output),
        From = parsed.GetValue(_from),
        AnyBase = parsed.GetValue(_anyBase),
        MaximumLength = Chosen(parsed, _maximumLength, recipe => recipe.MaximumLength),
        LossOn = Chosen(parsed, _lossOn, recipe => recipe.LossOn),
        PromptStyle = Chosen(parsed, _promptStyle, recipe => recipe.PromptStyle),
        Recompute = parsed.GetValue(_recompute),
        CheckpointInterval = parsed.GetValue(_checkpointEvery),
        Resume = parsed.GetValue(_resume),
        OrtTraining = parsed.GetValue(_engine) == CommonOptions.OrtTrainingEngine ? new OrtTrainingOptions(AlignerTool.StartAgain, parsed.GetValue(_ortTrainingLibrary)) : null,
        Device = parsed.GetValue(_device),
        Options = OptionsOf(parsed),
        FitLearningRate = _fitsLearningRate && parsed.GetResult(_learningRate) is null or { Implicit: true } && parsed.GetValue(_recipe) is null,
    };

    private TrainingOptions OptionsOf(ParseResult parsed)
    {
        int steps = Chosen(parsed, _steps, recipe => recipe.Options.Steps);
        return _standard with
        {
            Steps = steps,
            BatchSize = Chosen(parsed, _batchSize, recipe => recipe.Options.BatchSize),
            MicroBatchSize = Chosen(parsed, _microBatch, recipe => recipe.Options.MicroBatchSize ?? recipe.Options.BatchSize),
            Pack = parsed.GetValue(_pack),
            LearningRate = Chosen(parsed, _learningRate, recipe => recipe.Options.LearningRate) * parsed.GetValue(_learningRateMultiplier),
            Schedule = Chosen(parsed, _schedule, recipe => recipe.Options.Schedule),
            WarmUpSteps = Math.Min(Chosen(parsed, _warmUp, recipe => recipe.Options.WarmUpSteps), steps),
            MaximumGradientNorm = Positive(Chosen(parsed, _clip, recipe => recipe.Options.MaximumGradientNorm ?? 0)),
            Optimizer = _standard.Optimizer with { WeightDecay = Chosen(parsed, _weightDecay, recipe => recipe.Options.Optimizer.WeightDecay) },
            Attention = parsed.GetValue(_attention),
            StartLayer = Chosen(parsed, _startLayer, recipe => recipe.Options.StartLayer),
            Tokens = Chosen(parsed, _tokens, recipe => recipe.Options.Tokens),
            TokenScale = Positive(Chosen(parsed, _tokenScale, recipe => recipe.Options.TokenScale ?? 0)),
            Seed = (ulong)parsed.GetValue(_seed),
            Order = parsed.GetValue(_order),
            EvaluationInterval = parsed.GetValue(_evaluateEvery) is int every and > 0 ? every : Math.Max(1, steps / 10),
            Patience = parsed.GetValue(_patience) is int patience and > 0 ? patience : null,
        };
    }

    /// <summary>The recipe that is named; null where none is.</summary>
    public TrainingRecipe? RecipeOf(ParseResult parsed) => _recipes.FirstOrDefault(recipe => recipe.Name == parsed.GetValue(_recipe));

    /// <summary>What is given; else the recipe's, where one is named; else the default.</summary>
    public T Chosen<T>(ParseResult parsed, Option<T> option, Func<TrainingRecipe, T> preset) =>
        RecipeOf(parsed) is { } named && parsed.GetResult(option) is null or { Implicit: true }
            ? preset(named)
            : parsed.GetValue(option)!;

    private static double? Positive(double value) => value > 0 ? value : null;
}
