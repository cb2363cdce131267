using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>A constant matrix as a graph stores it: as it is, transposed, converted to another float type, or quantised.</summary>
/// <param name="Elements">The stored elements, of two dimensions; more of size 1 may stand before them.</param>
/// <param name="Transposed">Whether they stand as [output, input] rather than [input, output].</param>
/// <param name="ElementType">The type that the product computes in.</param>
public sealed record FrozenMatrix(Tensor Elements, bool Transposed, DataType ElementType)
{
    /// <summary>Scales and zero points; null where the elements are the numbers themselves.</summary>
    public LinearQuantisation? Quantisation { get; init; }

    /// <summary>The size of what the matrix multiplies.</summary>
    public long InputSize => Elements.Shape[Transposed ? ^1 : ^2];

    /// <summary>The size of the product.</summary>
    public long OutputSize => Elements.Shape[Transposed ? ^2 : ^1];

    /// <summary>The stored tensors: the elements and, where they are quantised, the scales and zero points.</summary>
    public IEnumerable<Tensor> Tensors => new[] { Elements, Quantisation?.Scales, Quantisation?.ZeroPoints }.OfType<Tensor>();

    /// <summary>How it is stored, in words.</summary>
    public string Kind => Quantisation is null ? $"{Elements.ElementType}" : $"{Elements.ElementType} with scales";
}
