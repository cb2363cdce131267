using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels;

/// <summary>
/// A row of activations rounded to int8, each block by its largest magnitude, as MatMulNBits of accuracy level 4 rounds it. For each step of 32 columns it has a record: the
/// numbers, of each eight first those of even places, as the two halves of a weight's bytes meet them; the block's scale; the sum of the numbers.
/// </summary>
internal static unsafe class RoundedRow
{
    /// <summary>Where the scale begins in a record, in bytes.</summary>
    public const int ScaleOffset = Int4Weight.StepColumns;

    /// <summary>Where the sum begins in a record, in bytes.</summary>
    public const int SumOffset = ScaleOffset + sizeof(float);

    /// <summary>Bytes of a record.</summary>
    public const int RecordSize = SumOffset + sizeof(float);

    private const float Largest = 127;

    /// <summary>Rounds a row.</summary>
    /// <param name="source">The row.</param>
    /// <param name="columns">Its elements.</param>
    /// <param name="blockSize">Elements of a block; the last one is padded with zeros.</param>
    /// <param name="record">The record of the first step.</param>
    /// <param name="recordStride">Bytes from a step's record to the next step's.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Store(float* source, long columns, long blockSize, byte* record, long recordStride)
    {
        float* padded = stackalloc float[Int4Weight.StepColumns];
        for (long first = 0; first < columns; first += blockSize)
        {
            float magnitude = Magnitude(source + first, Math.Min(blockSize, columns - first));
            float inverse = magnitude == 0 ? 0 : Largest / magnitude;
            for (long column = first; column < first + blockSize; column += Int4Weight.StepColumns)
            {
                StoreStep(Whole(source + column, columns - column, padded), magnitude / Largest, inverse, record);
                record += recordStride;
            }
        }
    }

    /// <summary>A step of the row, with zeros behind the row's end.</summary>
    private static float* Whole(float* step, long left, float* padded)
    {
        if (left >= Int4Weight.StepColumns)
        {
            return step;
        }
        Span<float> whole = new(padded, Int4Weight.StepColumns);
        whole.Clear();
        new ReadOnlySpan<float>(step, (int)Math.Max(0, left)).CopyTo(whole);
        return padded;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Magnitude(float* values, long count)
    {
        Vector256<float> largest = Vector256<float>.Zero;
        long index = 0;
        for (; index + Vector256<float>.Count <= count; index += Vector256<float>.Count)
        {
            largest = Vector256.MaxNative(largest, Vector256.Abs(Vector256.Load(values + index)));
        }
        float one = Horizontal.Largest(largest);
        for (; index < count; index++)
        {
            one = Math.Max(one, Math.Abs(values[index]));
        }
        return one;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreStep(float* step, float scale, float inverse, byte* record)
    {
        Vector256<int> first = Round(step, inverse), second = Round(step + 8, inverse), third = Round(step + 16, inverse), fourth = Round(step + 24, inverse);
        // Packing goes by halves of registers: the groups of four are put back into their order, then even places before odd ones.
        Vector256<sbyte> packed = Avx2.PackSignedSaturate(Avx2.PackSignedSaturate(first, second), Avx2.PackSignedSaturate(third, fourth));
        packed = Avx2.PermuteVar8x32(packed.AsInt32(), Vector256.Create(0, 4, 1, 5, 2, 6, 3, 7)).AsSByte();
        Vector128<sbyte> evenFirst = Vector128.Create(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
        Avx2.Shuffle(packed, Vector256.Create(evenFirst, evenFirst)).Store((sbyte*)record);
        *(float*)(record + ScaleOffset) = scale;
        *(float*)(record + SumOffset) = Vector256.Sum(first + second + third + fourth);
    }

    private static Vector256<int> Round(float* values, float inverse) => Avx.ConvertToVector256Int32(Vector256.Load(values) * inverse);
}
