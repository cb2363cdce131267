using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What <see cref="PreferenceFineTuning"/> is to train.</summary>
public sealed record PreferenceRequest : FineTuningRequest
{
    /// <summary>Makes a request.</summary>
    public PreferenceRequest()
    {
    }

    /// <summary>Makes a request of what all methods of training take.</summary>
    /// <param name="common">It.</param>
    [System.Diagnostics.CodeAnalysis.SetsRequiredMembers]
    public PreferenceRequest(FineTuningRequest common) : base(common)
    {
    }

    /// <summary>The adapter folder that rewards are relative to; null (the default) is the base model.</summary>
    public string? Reference { get; init; }

    /// <summary>The file of rows whose answers are to stay as probable as by the reference: harmless requests, what the model knows; null takes the model's <see cref="OwnConversations"/>.</summary>
    public string? Keep { get; init; }

    /// <summary>How many conversations the model makes up by itself where <see cref="Keep"/> is null, 0 or more; with 0 nothing is kept. Default 128.</summary>
    public int OwnConversations { get; init; } = 128;

    /// <summary>The loss.</summary>
    public PreferenceOptions Preference { get; init; } = new();
}
