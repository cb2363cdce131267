using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>What stands between the product of probabilities and values and the output projection: only changes of layout.</summary>
/// <param name="Output">The output projection.</param>
/// <param name="Path">The way from its source back to the product.</param>
internal sealed record AttendedPath(Projection Output, PlacePath Path)
{
    private const int Steps = 8;

    /// <summary>Follows what attention gives to its output projection.</summary>
    public static Match<AttendedPath> Of(Value attended)
    {
        List<Value> values = [attended];
        for (int step = 0; step < Steps; step++)
        {
            Use[] readers = [.. values[0].Uses.Where(use => use.Node.OpType is not ("Shape" or "Size"))];
            if (values[0].IsGraphOutput || readers is not [{ Input: 0, Node: var node }])
            {
                return Match<AttendedPath>.Fail("the attention output does not go into exactly one output projection", values[0]);
            }
            if (node.OpType is not ("Reshape" or "Transpose" or "Cast" or "Identity" or "Squeeze" or "Unsqueeze" or "Flatten" or "Dropout"))
            {
                Match<Projection> output = ProjectionRecogniser.Reading(values[0]);
                return output.Success ? new AttendedPath(output.Found, new PlacePath(values)) : Match<AttendedPath>.Fail(output);
            }
            values.Insert(0, node.Output);
        }
        return Match<AttendedPath>.Fail("the attention output does not go into an output projection", attended);
    }
}
