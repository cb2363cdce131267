using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Adapters;

/// <summary>
/// A vector that rows of 4-bit elements are multiplied with. Its numbers stand in the order in which shifting whole 32-bit words of a row brings the elements up:
/// of every 32 numbers first those that the lowest nibbles of the four words meet, then those of the next. Sums are in double precision.
/// </summary>
internal sealed class NibbleVector
{
    /// <summary>Elements that are brought up together: those of four words.</summary>
    internal const int Group = 32;

    private const int Words = 4;
    private const int NibblesPerWord = 8;

    private readonly double[] _numbers;

    /// <param name="numbers">The vector.</param>
    /// <param name="padded">The elements of a row with its padding, a multiple of <see cref="Group"/>; behind the vector zeros are taken.</param>
    public NibbleVector(ReadOnlySpan<double> numbers, int padded)
    {
        _numbers = new double[padded];
        for (int i = 0; i < numbers.Length; i++)
        {
            (int group, int word, int nibble) = (i / Group, i % Group / NibblesPerWord, i % NibblesPerWord);
            _numbers[(group * Group) + (nibble * Words) + word] = numbers[i];
        }
    }

    /// <summary>The product of a row of blocks and the vector. Each weight is rounded to float32, as the runtime rounds it.</summary>
    /// <param name="elements">The packed elements.</param>
    /// <param name="scales">The scale of each block.</param>
    /// <param name="zeroPoints">The zero point of each block.</param>
    // A server compiles its first adapter before the method would be optimised by its use.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double Dot(ReadOnlySpan<byte> elements, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeroPoints)
    {
        ReadOnlySpan<Vector128<int>> words = MemoryMarshal.Cast<byte, Vector128<int>>(elements);
        ReadOnlySpan<Vector256<double>> numbers = MemoryMarshal.Cast<double, Vector256<double>>(_numbers);
        int groupsPerBlock = words.Length / scales.Length;
        Vector256<double> even = default;
        Vector256<double> odd = default;
        for (int group = 0; group < words.Length; group++)
        {
            Vector128<float> scale = Vector128.Create(scales[group / groupsPerBlock]);
            Vector128<float> zero = Vector128.Create(zeroPoints[group / groupsPerBlock]);
            Vector128<int> packed = words[group];
            ReadOnlySpan<Vector256<double>> met = numbers.Slice(group * NibblesPerWord, NibblesPerWord);
            for (int nibble = 0; nibble < NibblesPerWord; nibble += 2)
            {
                even = Vector256.FusedMultiplyAdd(Weights(packed, zero, scale), met[nibble], even);
                odd = Vector256.FusedMultiplyAdd(Weights(packed >>> 4, zero, scale), met[nibble + 1], odd);
                packed >>>= 8;
            }
        }
        return Vector256.Sum(even + odd);
    }

    /// <summary>(element - zero point) * scale of the lowest nibble of each word.</summary>
    private static Vector256<double> Weights(Vector128<int> packed, Vector128<float> zero, Vector128<float> scale)
    {
        Vector128<float> weights = (Vector128.ConvertToSingle(packed & Vector128.Create(15)) - zero) * scale;
        return Avx.IsSupported ? Avx.ConvertToVector256Double(weights) : Vector256.Create(Vector128.WidenLower(weights), Vector128.WidenUpper(weights));
    }
}
