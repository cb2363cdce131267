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

    /// <summary>The loss.</summary>
    public PreferenceOptions Preference { get; init; } = new();
}
