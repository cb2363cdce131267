using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>De-quantises rows of a MatMulNBits weight: (element - zero point) * scale of the element's block.</summary>
internal static class QuantisedRows
{
    /// <summary>The rows, [rows, K].</summary>
    public static double[] Read(QuantisedWeight weight, long[] rows)
    {
        Action<long, double[], int> read = Reader(weight);
        int columns = (int)weight.Columns;
        double[] numbers = new double[checked(rows.Length * columns)];
        for (int i = 0; i < rows.Length; i++)
        {
            read(rows[i], numbers, i * columns);
        }
        return numbers;
    }

    /// <summary>The rows times a vector [K]; one row at a time is in memory.</summary>
    public static double[] Multiply(QuantisedWeight weight, long[] rows, double[] vector)
    {
        Action<long, double[], int> read = Reader(weight);
        double[] row = new double[weight.Columns];
        double[] product = new double[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            read(rows[i], row, 0);
            product[i] = TensorPrimitives.Dot<double>(row, vector);
        }
        return product;
    }

    /// <summary>Writes a row to a place. The product is rounded to float32 as the runtime rounds it: that is the weight the model computes with.</summary>
    private static Action<long, double[], int> Reader(QuantisedWeight weight)
    {
        byte[] elements = Constants.Of(weight.Elements)!.ReadBytes();
        float[] scales = Constants.Of(weight.Scales)!.ReadSingles();
        Func<long, long, float> zeroPoint = ZeroPoints(weight);
        if (weight is { Bits: 4, BlockOfColumn: null })
        {
            return (row, numbers, place) => ReadNibbles(weight, row, elements, scales, zeroPoint, numbers.AsSpan(place, (int)weight.Columns));
        }
        long[] blocks = Blocks(weight);
        return (row, numbers, place) =>
        {
            long start = row * weight.PaddedColumns * weight.Bits / 8;
            for (int column = 0; column < weight.Columns; column++)
            {
                long block = blocks[column];
                numbers[place + column] = (Element(elements, weight.Bits, start, column) - zeroPoint(row, block)) * scales[(row * weight.BlocksPerRow) + block];
            }
        };
    }

    /// <summary>The common form, fast: a block has 16 numbers, and each byte names two of them.</summary>
    private static void ReadNibbles(QuantisedWeight weight, long row, byte[] elements, float[] scales, Func<long, long, float> zeroPoint, Span<double> target)
    {
        Span<double> numbers = stackalloc double[16];
        int size = (int)weight.BlockSize;
        for (int block = 0; block < weight.BlocksPerRow; block++)
        {
            (float zero, float scale) = (zeroPoint(row, block), scales[(row * weight.BlocksPerRow) + block]);
            for (int number = 0; number < numbers.Length; number++)
            {
                numbers[number] = (number - zero) * scale;
            }
            Span<double> part = target[(block * size)..Math.Min((block + 1) * size, target.Length)];
            ReadOnlySpan<byte> packed = elements.AsSpan((int)(((row * weight.PaddedColumns) + (block * size)) / 2), (part.Length + 1) / 2);
            for (int column = 0; column < part.Length; column++)
            {
                part[column] = numbers[column % 2 == 0 ? packed[column >> 1] & 15 : packed[column >> 1] >> 4];
            }
        }
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
        int perByte = 8 / bits;
        return (bytes[rowStart + (index / perByte)] >> (int)(bits * (index % perByte))) & ((1 << bits) - 1);
    }
}
