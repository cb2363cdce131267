using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>De-quantises rows of a MatMulNBits weight: (element - zero point) * scale of the element's block.</summary>
internal static class QuantisedRows
{
    /// <summary>The rows, [rows, K].</summary>
    public static double[] Read(QuantisedWeight weight, long[] rows)
    {
        byte[] elements = Constants.Of(weight.Elements)!.ReadBytes();
        float[] scales = Constants.Of(weight.Scales)!.ReadSingles();
        Func<long, long, float> zeroPoint = ZeroPoints(weight);
        long[] blocks = Blocks(weight);
        double[] numbers = new double[rows.Length * weight.Columns];
        for (long i = 0; i < rows.Length; i++)
        {
            long start = rows[i] * weight.PaddedColumns * weight.Bits / 8;
            (long block, float zero, float scale) = (-1, 0, 0);
            for (long column = 0; column < weight.Columns; column++)
            {
                if (blocks[column] != block)
                {
                    block = blocks[column];
                    (zero, scale) = (zeroPoint(rows[i], block), scales[(rows[i] * weight.BlocksPerRow) + block]);
                }
                // The product is rounded to float32 as the runtime rounds it: that is the weight the model computes with.
                numbers[(i * weight.Columns) + column] = (Element(elements, weight.Bits, start, column) - zero) * scale;
            }
        }
        return numbers;
    }

    private static long[] Blocks(QuantisedWeight weight)
    {
        if (weight.BlockOfColumn is null)
        {
            return [.. Enumerable.Range(0, (int)weight.Columns).Select(column => column / weight.BlockSize)];
        }
        long[] blocks = Constants.Of(weight.BlockOfColumn)!.ReadInt64s();
        return Array.FindIndex(blocks, block => block < 0 || block >= weight.BlocksPerRow) is var wrong && wrong < 0
            ? blocks
            : throw new ModelRefusedException("A group index points outside the blocks", $"{weight.Node}, element {wrong}", $"{blocks[wrong]}", $"0 to {weight.BlocksPerRow - 1}", "export the model again");
    }

    private static Func<long, long, float> ZeroPoints(QuantisedWeight weight)
    {
        if (weight.ZeroPoints is null)
        {
            float middle = 1 << (weight.Bits - 1);
            return (_, _) => middle;
        }
        if (weight.HasNumericZeroPoints)
        {
            float[] numbers = Constants.Of(weight.ZeroPoints)!.ReadSingles();
            return (row, block) => numbers[(row * weight.BlocksPerRow) + block];
        }
        byte[] packed = Constants.Of(weight.ZeroPoints)!.ReadBytes();
        return (row, block) => Element(packed, weight.Bits, row * weight.ZeroPointBytesPerRow, block);
    }

    /// <summary>Elements stand in bytes with the low bits first.</summary>
    private static int Element(byte[] bytes, int bits, long rowStart, long index)
    {
        // Bits are 2, 4 or 8, so that places are powers of two.
        int shift = 3 - int.Log2(bits);
        return (bytes[rowStart + (index >> shift)] >> (bits * (int)(index & ((1 << shift) - 1)))) & ((1 << bits) - 1);
    }
}
