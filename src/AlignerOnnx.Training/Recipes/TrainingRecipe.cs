using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>A published recipe under a name, so that a run can be repeated; every option that is given explicitly goes before it.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Description">What it is, in one line.</param>
/// <param name="Options">Steps, rates and sizes.</param>
public sealed record TrainingRecipe(string Name, string Description, TrainingOptions Options)
{
    /// <summary>
    /// Instruction following as the method's authors trained it on Alpaca (finetune/aligner.py): 8 epochs of 50,000 rows in batches of 64, AdamW, weight decay 0.02. Their script names a rate of 9e-3 and two epochs of
    /// warm-up, but counts the warm-up in micro-batches of 8 rows and compares it with the number of updates: 12,500 of 6,250. The rate therefore grows on a line through the whole
    /// run and ends at 4.5e-3; that is what this recipe does.
    /// </summary>
    public static TrainingRecipe Alpaca { get; } = new("alpaca", "the authors' Alpaca run: loss on prompt and answer, 6,250 updates of 64 rows, the rate grows to 4.5e-3 through the whole run", new TrainingOptions
    {
        Steps = 6250,
        BatchSize = 64,
        MicroBatchSize = 8,
        LearningRate = 4.5e-3,
        WarmUpSteps = 6250,
        Tokens = 1,
        TokenScale = 1,
        StartLayer = 2,
    })
    {
        LossOn = LossOn.All,
        PromptStyle = PromptStyle.Alpaca,
    };

    /// <summary>
    /// The first stage of <see cref="Safety"/>: the safer answers alone, by the script of <see cref="Alpaca"/> and with its rate. What is known of the authors' run is that it learnt the safer answers of PKU-SafeRLHF, prompts too,
    /// and that its second epoch was taken; the epoch of 160,000 rows is the preference script's. The miscounted warm-up has the rate at 1.125e-3 by then, whatever the length of an epoch.
    /// </summary>
    private static TrainingRecipe SafetyFirst { get; } = new("safety-supervised", "the authors' supervised run on the safer answers: 5,000 updates of 64 rows, the rate grows to 1.125e-3 through the whole run", new TrainingOptions
    {
        Steps = 5000,
        BatchSize = 64,
        LearningRate = 1.125e-3,
        WarmUpSteps = 5000,
    })
    {
        LossOn = LossOn.All,
    };

    /// <summary>
    /// Value alignment as the authors trained it on PKU-SafeRLHF: first supervised on the safer answers alone, then on pairs (finetune/alignerDPO.py) from that adapter, which is the reference too: 3 epochs of 160,000
    /// sequences in batches of 32 pairs. The rate of 1e-4 has the same miscounted warm-up: 10,000 of 7,500 updates, so that it grows through the whole run to 7.5e-5.
    /// </summary>
    public static TrainingRecipe Safety { get; } = new("safety", "the authors' two runs: 5,000 supervised updates of 64 preferred answers, then from their adapter 7,500 updates of 32 pairs, whose rate grows to 7.5e-5 through the whole run", new TrainingOptions
    {
        Steps = 7500,
        BatchSize = 32,
        MicroBatchSize = 8,
        LearningRate = 7.5e-5,
        WarmUpSteps = 7500,
        Tokens = 1,
        TokenScale = 1,
        StartLayer = 2,
    })
    {
        MaximumLength = 1024,
        Before = SafetyFirst,
        Preference = new PreferenceOptions { Loss = new PreferenceLossOptions { Beta = 0.1 } },
    };

    /// <summary>The longest row in tokens.</summary>
    public int MaximumLength { get; init; } = 512;

    /// <summary>Which tokens are learnt.</summary>
    public LossOn LossOn { get; init; } = LossOn.Answers;

    /// <summary>The loss of preference training, with nothing kept; null for supervised recipes.</summary>
    public PreferenceOptions? Preference { get; init; }

    /// <summary>The supervised stage that goes before preference training; null for none. Of its options rate, schedule, warm-up, batch size and steps count.</summary>
    public TrainingRecipe? Before { get; init; }

    /// <summary>How rows of instruction, input and output are asked.</summary>
    public PromptStyle PromptStyle { get; init; } = PromptStyle.Chat;
}
