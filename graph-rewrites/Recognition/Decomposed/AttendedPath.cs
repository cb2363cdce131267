using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>What stands between the product of probabilities and values and the output projection: only changes of layout.</summary>
/// <param name="Output">The output projection.</param>
/// <param name="Path">The way from its source back to the product.</param>
internal sealed record AttendedPath(Projection Output, PlacePath Path)
{
    /// <summary>Follows what attention gives to its output projection.</summary>
    public static Match<AttendedPath> Of(Value attended)
    {
        Match<Projection> output = OutputProjection.Reading(attended);
        if (!output.Success)
        {
            return Match<AttendedPath>.Fail(output);
        }
        List<Value> values = [output.Found.Source];
        while (values[^1] != attended && values[^1].Producer?.Input(0) is { } before)
        {
            values.Add(before);
        }
        return new AttendedPath(output.Found, new PlacePath(values));
    }
}
