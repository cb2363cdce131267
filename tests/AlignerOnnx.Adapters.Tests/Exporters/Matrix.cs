namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>A frozen matrix: the numbers that it stands for, and the integers, scales and zero points that are stored where it is quantised.</summary>
/// <param name="Inputs">The size of x.</param>
/// <param name="Outputs">The size of y.</param>
/// <param name="Rows">[outputs, inputs].</param>
internal sealed record Matrix(int Inputs, int Outputs, float[] Rows)
{
    /// <summary>[outputs, inputs].</summary>
    public int[] Elements { get; init; } = [];

    /// <summary>[outputs, blocks].</summary>
    public float[] Scales { get; init; } = [];

    /// <summary>[outputs, blocks].</summary>
    public int[] ZeroPoints { get; init; } = [];

    /// <summary>The block of each input.</summary>
    public int[] Blocks { get; init; } = [];

    /// <summary>[inputs, outputs].</summary>
    public float[] Columns => [.. from input in Enumerable.Range(0, Inputs) from output in Enumerable.Range(0, Outputs) select Rows[(output * Inputs) + input]];

    /// <summary>Some of the outputs.</summary>
    public Matrix Part(int first, int count)
    {
        T[] Of<T>(T[] all) => [.. all.Skip(first * (all.Length / Outputs)).Take(count * (all.Length / Outputs))];
        return this with { Outputs = count, Rows = Of(Rows), Elements = Of(Elements), Scales = Of(Scales), ZeroPoints = Of(ZeroPoints) };
    }

    /// <summary>Matrices of the same input above each other, as packed projections have them.</summary>
    public static Matrix Stack(params Matrix[] parts) => parts[0] with
    {
        Outputs = parts.Sum(part => part.Outputs),
        Rows = [.. parts.SelectMany(part => part.Rows)],
        Elements = [.. parts.SelectMany(part => part.Elements)],
        Scales = [.. parts.SelectMany(part => part.Scales)],
        ZeroPoints = [.. parts.SelectMany(part => part.ZeroPoints)],
    };
}
