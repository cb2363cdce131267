using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AlignerOnnx.Kernels;

/// <summary>One number of all in a register, where .NET has no operation for it.</summary>
internal static class Horizontal
{
    /// <summary>The largest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<float> values)
    {
        Vector128<float> four = Vector128.MaxNative(values.GetLower(), values.GetUpper());
        four = Vector128.MaxNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 2, 3)));
        return Math.Max(four[0], four[1]);
    }
}
