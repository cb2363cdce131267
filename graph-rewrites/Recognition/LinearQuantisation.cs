using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>How stored integers stand for numbers: (element - zero point) * scale. Source: ONNX operator DequantizeLinear.</summary>
/// <param name="Scales">One scale; or one for each index of the axis; or, of blocks, the shape of the elements with the axis divided by the block size, rounded up.</param>
/// <param name="ZeroPoints">Zero points in the shape of the scales; null for 0.</param>
/// <param name="Axis">The axis of the stored matrix, 0 or 1.</param>
/// <param name="BlockSize">Elements along the axis that share a scale; 0 where there are no blocks.</param>
public sealed record LinearQuantisation(Tensor Scales, Tensor? ZeroPoints, int Axis, long BlockSize)
{
    /// <summary>Why the elements cannot be read back; null where they can.</summary>
    internal string? Misfit(Tensor elements)
    {
        if (elements.Shape.Count != 2 || elements.Count == 0)
        {
            return $"the quantised weight of shape [{string.Join(',', elements.Shape)}] is no matrix";
        }
        if (elements.ElementType is not (DataType.Int4 or DataType.Uint4 or DataType.Int8 or DataType.Uint8))
        {
            return $"the quantised weight is of {elements.ElementType}";
        }
        if (Scales.ElementType is not (DataType.Float or DataType.Float16 or DataType.Bfloat16))
        {
            return $"the scales are of {Scales.ElementType}";
        }
        if (ZeroPoints is not null && (ZeroPoints.ElementType != elements.ElementType || ZeroPoints.Count != Scales.Count))
        {
            return "the zero points do not match the scales";
        }
        if (Axis is < 0 or > 1 || BlockSize < 0)
        {
            return $"axis {Axis} or block size {BlockSize} is out of range";
        }
        long along = elements.Shape[Axis];
        long expected = BlockSize > 0 ? (along + BlockSize - 1) / BlockSize * elements.Shape[1 - Axis] : Scales.Count == 1 ? 1 : along;
        return Scales.Count == expected ? null : $"{Scales.Count} scales do not fit a matrix of {elements.Shape[0]} x {elements.Shape[1]}";
    }
}
