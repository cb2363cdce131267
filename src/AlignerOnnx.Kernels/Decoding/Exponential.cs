using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>e^x of eight numbers that are not positive, to two units in the last place: 2^n times a polynomial in what rounding x / ln 2 to n leaves (Cody and Waite, 1980; coefficients of the Taylor series).</summary>
internal static class Exponential
{
    // Below it the result is no normal number, and counts for nothing beside the largest, which is 1.
    private const float Smallest = -87;
    private const float LogTwoHigh = 0.693359375f;
    private const float LogTwoLow = -2.12194440e-4f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> OfNegative(Vector256<float> x)
    {
        Vector256<float> seen = Vector256.GreaterThanOrEqual(x, Vector256.Create(Smallest));
        x = Vector256.MaxNative(x, Vector256.Create(Smallest));
        Vector256<float> n = Vector256.Round(x * Vector256.Create(1.44269504f));
        Vector256<float> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-LogTwoLow), Vector256.FusedMultiplyAdd(n, Vector256.Create(-LogTwoHigh), x));
        Vector256<float> sum = Vector256.Create(1f / 5040);
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256.Create(1f / 720));
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256.Create(1f / 120));
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256.Create(1f / 24));
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256.Create(1f / 6));
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256.Create(0.5f));
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256<float>.One);
        sum = Vector256.FusedMultiplyAdd(sum, r, Vector256<float>.One);
        Vector256<int> exponent = Vector256.ShiftLeft(Vector256.ConvertToInt32Native(n), 23);
        return (sum.AsInt32() + exponent).AsSingle() & seen;
    }
}
