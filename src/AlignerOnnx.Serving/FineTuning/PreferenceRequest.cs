using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What <see cref="PreferenceFineTuning"/> is to train.</summary>
public sealed record PreferenceRequest : FineTuningRequest
{
    /// <summary>
    /// The recipe that was found on the embedded model: many small batches with a warm-up and a cosine, the supervised term, and the model's own conversations kept. Its rate falls with the square
    /// of the hidden size: 0.0025 at 576 (SmolLM2), 0.00005 at 4096, where the method's authors end at 0.000075. See docs/preferences.md.
    /// </summary>
    public static TrainingOptions Recipe { get; } = new() { Steps = 150, BatchSize = 8, LearningRate = 0.05, WidthExponent = 2, WarmUpSteps = 15, Schedule = LearningRateShape.Cosine };

    /// <summary>The loss of the <see cref="Recipe"/>.</summary>
    public static PreferenceOptions RecipeLoss { get; } = new() { Loss = new PreferenceLossOptions { Beta = 1 }, SupervisedWeight = 3, KeptWeight = 3 };

    /// <summary>Makes a request of the <see cref="Recipe"/>.</summary>
    public PreferenceRequest() => Options = Recipe;

    /// <summary>Makes a request of what all methods of training take.</summary>
    /// <param name="common">It.</param>
    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public PreferenceRequest(FineTuningRequest common) : base(common)
    {
    }

    /// <summary>Supervised training on the preferred answers that goes before; null (the default) for none.</summary>
    public SupervisedStage? Before { get; init; }

    /// <summary>The adapter folder that rewards are relative to; null (the default) is that of the stage <see cref="Before"/>, else the base model.</summary>
    public string? Reference { get; init; }

    /// <summary>The file of rows whose answers are to stay as probable as by the reference: harmless requests, what the model knows; null takes the model's <see cref="OwnConversations"/>.</summary>
    public string? Keep { get; init; }

    /// <summary>How many conversations the model makes up by itself where <see cref="Keep"/> is null, 0 or more; with 0 nothing is kept. Default 512: with 128 a fact more in a hundred is lost. See docs/preferences.md.</summary>
    public int OwnConversations { get; init; } = 512;

    /// <summary>The loss.</summary>
    public PreferenceOptions Preference { get; init; } = RecipeLoss;
}
