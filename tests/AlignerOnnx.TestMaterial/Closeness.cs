using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace AlignerOnnx.TestMaterial;

/// <summary>Comparison of arrays within a stated tolerance.</summary>
public static class Closeness
{
    public static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.AreEqual(expected.Length, actual.Length, what);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.AreEqual(expected[i], actual[i], tolerance, $"{what}, element {i}");
        }
    }

    /// <summary>Logits [b, s, V] against a golden case, at real positions only; a case may hold the first columns alone.</summary>
    public static void AssertLogits(GoldenCase golden, float[] logits, double? tolerance = null)
    {
        string array = golden.Has("logits") ? "logits" : "logits_first64";
        long[] mask = golden.Int64s("attention_mask");
        int stored = (int)golden.Shape(array)[2];
        int vocabulary = logits.Length / mask.Length;
        float[] expected = golden.Singles(array);
        for (int row = 0; row < mask.Length; row++)
        {
            if (mask[row] != 0)
            {
                AssertClose(expected.AsSpan(row * stored, stored), logits.AsSpan(row * vocabulary, stored), tolerance ?? golden.Tolerance(array), $"logits of row {row}");
            }
        }
    }
}
