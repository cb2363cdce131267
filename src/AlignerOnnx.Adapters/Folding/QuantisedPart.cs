using System.Buffers;
using System.Runtime.CompilerServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>
/// The stored bytes of neighbouring rows of a MatMulNBits weight: of a packed projection only the rows that are wanted are read. Numbers stand in borrowed memory, since
/// weights are large and folding reads those of every layer.
/// </summary>
internal sealed class QuantisedPart : IDisposable
{
    private readonly byte[] _elements;
    private readonly float[] _scales;
    private readonly float[] _zeroPoints;

    private QuantisedPart(TensorReader reader, QuantisedWeight weight, long first, int rows)
    {
        (Weight, First) = (weight, first);
        BytesPerRow = (int)(weight.PaddedColumns * weight.Bits / 8);
        BlocksPerRow = (int)weight.BlocksPerRow;
        int bytes = checked(rows * BytesPerRow);
        _elements = ArrayPool<byte>.Shared.Rent(bytes);
        _scales = ArrayPool<float>.Shared.Rent(rows * BlocksPerRow);
        _zeroPoints = ArrayPool<float>.Shared.Rent(rows * BlocksPerRow);
        try
        {
            reader.Read(Constants.Of(weight.Elements)!, first * BytesPerRow, _elements.AsSpan(0, bytes));
            reader.ReadSingles(Constants.Of(weight.Scales)!, first * BlocksPerRow, _scales.AsSpan(0, rows * BlocksPerRow));
            ReadZeroPoints(reader, weight, first, _zeroPoints.AsSpan(0, rows * BlocksPerRow));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal QuantisedWeight Weight { get; }

    internal int BlocksPerRow { get; }

    private long First { get; }

    private int BytesPerRow { get; }

    /// <summary>Reads the rows from the lowest to the highest of those named.</summary>
    /// <param name="reader">Reads them.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="rows">Row numbers, at least one.</param>
    public static QuantisedPart Read(TensorReader reader, QuantisedWeight weight, long[] rows)
    {
        long first = rows.Min();
        return new QuantisedPart(reader, weight, first, checked((int)(rows.Max() - first + 1)));
    }

    /// <summary>The packed elements of a row, with its padding.</summary>
    public ReadOnlySpan<byte> Elements(long row) => _elements.AsSpan(checked((int)(row - First) * BytesPerRow), BytesPerRow);

    /// <summary>The scale of each block of a row.</summary>
    public ReadOnlySpan<float> Scales(long row) => _scales.AsSpan((int)(row - First) * BlocksPerRow, BlocksPerRow);

    /// <summary>The zero point of each block of a row.</summary>
    public ReadOnlySpan<float> ZeroPoints(long row) => _zeroPoints.AsSpan((int)(row - First) * BlocksPerRow, BlocksPerRow);

    /// <summary>An element of a packed row: elements stand in bytes with the low bits first.</summary>
    public static int Element(ReadOnlySpan<byte> row, int bits, int index) => (row[(index * bits) >> 3] >> ((index * bits) & 7)) & ((1 << bits) - 1);

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_elements);
        ArrayPool<float>.Shared.Return(_scales);
        ArrayPool<float>.Shared.Return(_zeroPoints);
    }

    // As NibbleVector.Dot: the first adapter counts too.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack(ReadOnlySpan<byte> row, int bits, Span<float> numbers)
    {
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = Element(row, bits, i);
        }
    }

    private void ReadZeroPoints(TensorReader reader, QuantisedWeight weight, long first, Span<float> zeroPoints)
    {
        if (weight.ZeroPoints is null)
        {
            zeroPoints.Fill(1 << (weight.Bits - 1));
            return;
        }
        if (weight.HasNumericZeroPoints)
        {
            reader.ReadSingles(Constants.Of(weight.ZeroPoints)!, first * BlocksPerRow, zeroPoints);
            return;
        }
        int bytesPerRow = (int)weight.ZeroPointBytesPerRow;
        byte[] packed = new byte[zeroPoints.Length / BlocksPerRow * bytesPerRow];
        reader.Read(Constants.Of(weight.ZeroPoints)!, first * bytesPerRow, packed);
        for (int row = 0; row * BlocksPerRow < zeroPoints.Length; row++)
        {
            Unpack(packed.AsSpan(row * bytesPerRow, bytesPerRow), weight.Bits, zeroPoints.Slice(row * BlocksPerRow, BlocksPerRow));
        }
    }
}
