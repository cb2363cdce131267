namespace AlignerOnnx.Training;

/// <summary>One row of a preference file, before tokenisation: the same prompt with either answer.</summary>
/// <param name="Chosen">The prompt with the preferred answer.</param>
/// <param name="Rejected">The prompt with the other answer.</param>
public sealed record PreferenceRow(DataRow Chosen, DataRow Rejected)
{
    /// <summary>Where it stands in its file.</summary>
    public string Place => Chosen.Place;

    /// <summary>The shape that it was written in; empty where unknown.</summary>
    public string Shape { get; init; } = "";
}
