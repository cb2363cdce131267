using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>
/// The weight of a MatMulNBits node: N rows of K elements, each row cut into blocks that share a scale and a zero point.
/// Source: ONNX Runtime's contrib operator documentation, com.microsoft.MatMulNBits.
/// </summary>
/// <param name="Node">The node.</param>
/// <param name="Rows">N, the output size.</param>
/// <param name="Columns">K, the input size.</param>
/// <param name="Bits">Bits of an element: 2, 4 or 8.</param>
/// <param name="BlockSize">Elements in a block: a power of two, at least 16.</param>
public sealed record QuantisedWeight(Node Node, long Rows, long Columns, int Bits, long BlockSize)
{
    /// <summary>The most rows or columns; products of both stay far from 63 bits.</summary>
    private const long MostElements = 1 << 26;

    /// <summary>Blocks in a row; the last one may be padded.</summary>
    public long BlocksPerRow => (Columns + BlockSize - 1) / BlockSize;

    /// <summary>Elements in a row with the padding.</summary>
    public long PaddedColumns => BlocksPerRow * BlockSize;

    /// <summary>The elements, uint8 [N, blocks, block size * bits / 8], low bits first.</summary>
    public Value Elements => Node.Input(1)!;

    /// <summary>The scales, N * blocks.</summary>
    public Value Scales => Node.Input(2)!;

    /// <summary>
    /// The zero points: bytes packed like the elements with each row padded to whole bytes, or numbers of the scales' type, N * blocks; null means 2^(bits-1).
    /// </summary>
    public Value? ZeroPoints => Node.Input(3);

    /// <summary>The block of each column where columns were reordered (GPTQ's act-order), int32 [K] or padded; null where blocks follow each other.</summary>
    public Value? BlockOfColumn => Node.Input(4);

    /// <summary>Whether zero points are numbers rather than packed bytes.</summary>
    public bool HasNumericZeroPoints => ZeroPoints is not null && Constants.Of(ZeroPoints)?.ElementType != DataType.Uint8;

    /// <summary>Bytes of zero points in a row.</summary>
    public long ZeroPointBytesPerRow => ((BlocksPerRow * Bits) + 7) / 8;

    /// <summary>Reads the facts of a MatMulNBits node that <see cref="Misfit"/> accepts.</summary>
    public static QuantisedWeight Of(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return new QuantisedWeight(node, node.Attributes.Int("N", 0), node.Attributes.Int("K", 0), int.CreateSaturating(node.Attributes.Int("bits", 4)), node.Attributes.Int("block_size", 0));
    }

    /// <summary>Why the weight cannot be used; null where it can. Attributes are checked against the tensors, as crafted ones can make native code read past them.</summary>
    public static string? Misfit(Node node)
    {
        QuantisedWeight weight = Of(node);
        if (weight.Bits is not (2 or 4 or 8) || weight.BlockSize is < 16 or > 4096 || !long.IsPow2(weight.BlockSize)
            || weight.Rows is < 1 or > MostElements || weight.Columns is < 1 or > MostElements)
        {
            return $"bits {weight.Bits}, block size {weight.BlockSize}, N {weight.Rows}, K {weight.Columns} are out of range";
        }
        return node.Attributes.Int("weight_prepacked", 0) != 0 ? "the weight is prepacked for one device and cannot be read back" : weight.MisfitOfTensors();
    }

    private string? MisfitOfTensors() =>
        Constants.Of(Node.Input(1)) is not { ElementType: DataType.Uint8 } elements || elements.Count != Rows * PaddedColumns * Bits / 8
            ? "the quantised weight does not have N * blocks * block size elements"
        : Constants.Of(Node.Input(2)) is not { ElementType: DataType.Float or DataType.Float16 or DataType.Bfloat16 } scales || scales.Count != Rows * BlocksPerRow
            ? "the scales do not number N * blocks"
        : ZeroPoints is not null && !(Constants.Of(ZeroPoints) is { } zeros && (zeros.ElementType == DataType.Uint8 ? zeros.Count == Rows * ZeroPointBytesPerRow : zeros.ElementType == scales.ElementType && zeros.Count == scales.Count))
            ? "the zero points are neither packed bytes of N rows nor N * blocks numbers"
        : BlockOfColumn is not null && (Constants.Of(BlockOfColumn) is not { ElementType: DataType.Int32 } blocks || (blocks.Count != Columns && blocks.Count != PaddedColumns))
            ? "the group index does not number K elements"
        : BlockOfColumn is not null && ZeroPoints is not null && !ZeroPointsAreTheDefault()
            ? "the weight has a group index and zero points: execution providers differ in what they make of both (the CPU of ONNX Runtime 1.31 ignores the zero points)"
        : null;

    private bool ZeroPointsAreTheDefault()
    {
        byte middle = Bits switch { 8 => 0x80, 4 => 0x88, _ => 0xAA };
        return !HasNumericZeroPoints && !Constants.Of(ZeroPoints)!.ReadBytes().AsSpan().ContainsAnyExcept(middle);
    }
}
