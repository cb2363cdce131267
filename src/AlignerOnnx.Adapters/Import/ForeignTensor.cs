namespace AlignerOnnx.Adapters;

/// <summary>A tensor of a checkpoint of another library, as float32, in which its stored numbers are exact.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Values">The values, row-major.</param>
internal sealed record ForeignTensor(IReadOnlyList<long> Shape, float[] Values)
{
    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join(',', Shape)}]";
}
