using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Adapters;

/// <summary>
/// A vector that rows of 4-bit elements are multiplied with. Its numbers stand in the order in which shifting whole 32-bit words of a row brings the elements up:
/// of every 32 numbers first those that the lowest nibbles of the four words meet, then those of the next. Everything is in double precision.
/// </summary>
internal sealed class NibbleVector
{
    /// <summary>Elements that are brought up together: those of four words.</summary>
    internal const int Group = 32;

    private const int Words = 4;
    private const int NibblesPerWord = 8;

    private readonly double[] _numbers;
    private readonly double[] _blockSums;

    /// <param name="numbers">The vector.</param>
    /// <param name="blockSize">Elements of a block, a multiple of <see cref="Group"/>; behind the vector zeros are taken, to the end of its last block.</param>
    public NibbleVector(ReadOnlySpan<double> numbers, int blockSize)
    {
        _blockSums = new double[(numbers.Length + blockSize - 1) / blockSize];
        _numbers = new double[_blockSums.Length * blockSize];
        for (int i = 0; i < numbers.Length; i++)
        {
            (int group, int word, int nibble) = (i / Group, i % Group / NibblesPerWord, i % NibblesPerWord);
            _numbers[(group * Group) + (nibble * Words) + word] = numbers[i];
            _blockSums[i / blockSize] += numbers[i];
        }
    }

    /// <summary>The product of a row and the vector: of each block the sum of element times number, less the zero point times the sum of the numbers, all times the scale.</summary>
    /// <param name="elements">The packed elements.</param>
    /// <param name="scales">The scale of each block.</param>
    /// <param name="zeroPoints">The zero point of each block.</param>
    // A server compiles its first adapter before the method would be optimised by its use.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double Dot(ReadOnlySpan<byte> elements, ReadOnlySpan<float> scales, ReadOnlySpan<float> zeroPoints)
    {
        ReadOnlySpan<Vector128<int>> words = MemoryMarshal.Cast<byte, Vector128<int>>(elements);
        int groupsPerBlock = words.Length / scales.Length;
        Vector256<double> product = default;
        double shift = 0;
        for (int block = 0, group = 0; block < scales.Length; block++)
        {
            Vector256<double> sum = default;
            for (int end = group + groupsPerBlock; group < end; group++)
            {
                sum += GroupSum(words[group], ref _numbers[group * Group]);
            }
            product = Vector256.MultiplyAddEstimate(Vector256.Create((double)scales[block]), sum, product);
            shift += (double)scales[block] * zeroPoints[block] * _blockSums[block];
        }
        return Vector256.Sum(product) - shift;
    }

    /// <summary>Element times number of one group, in two sums that do not wait for each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> GroupSum(Vector128<int> packed, ref double numbers)
    {
        Vector128<int> mask = Vector128.Create(15);
        Vector256<double> even = ToDouble(packed & mask) * Vector256.LoadUnsafe(ref numbers);
        Vector256<double> odd = ToDouble((packed >>> 4) & mask) * Vector256.LoadUnsafe(ref numbers, Words);
        even = Vector256.MultiplyAddEstimate(ToDouble((packed >>> 8) & mask), Vector256.LoadUnsafe(ref numbers, 2 * Words), even);
        odd = Vector256.MultiplyAddEstimate(ToDouble((packed >>> 12) & mask), Vector256.LoadUnsafe(ref numbers, 3 * Words), odd);
        even = Vector256.MultiplyAddEstimate(ToDouble((packed >>> 16) & mask), Vector256.LoadUnsafe(ref numbers, 4 * Words), even);
        odd = Vector256.MultiplyAddEstimate(ToDouble((packed >>> 20) & mask), Vector256.LoadUnsafe(ref numbers, 5 * Words), odd);
        even = Vector256.MultiplyAddEstimate(ToDouble((packed >>> 24) & mask), Vector256.LoadUnsafe(ref numbers, 6 * Words), even);
        odd = Vector256.MultiplyAddEstimate(ToDouble(packed >>> 28), Vector256.LoadUnsafe(ref numbers, 7 * Words), odd);
        return even + odd;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> ToDouble(Vector128<int> elements) => Avx.IsSupported
        ? Avx.ConvertToVector256Double(elements)
        : Vector256.Create(Vector128.ConvertToDouble(Vector128.WidenLower(elements)), Vector128.ConvertToDouble(Vector128.WidenUpper(elements)));
}
