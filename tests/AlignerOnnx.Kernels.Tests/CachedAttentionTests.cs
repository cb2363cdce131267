using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>CachedAttention in a session of ONNX Runtime, on random heads: against double precision, and against GroupQueryAttention.</summary>
[TestClass]
public sealed class CachedAttentionTests
{
    private static readonly int Seed = Environment.TickCount;

    private static readonly Dictionary<string, AttentionForm> Forms = new()
    {
        ["Llama"] = new(6, 2, 64, 32, Interleaved: false, Window: 0, Packed: false, Scale: 0),
        ["packed"] = new(6, 2, 64, 32, Interleaved: false, Window: 0, Packed: true, Scale: 0),
        ["a head for each"] = new(3, 3, 16, 8, Interleaved: false, Window: 0, Packed: true, Scale: 0),
        ["one head for many"] = new(20, 1, 32, 16, Interleaved: false, Window: 0, Packed: false, Scale: 0),
        ["neighbours rotated"] = new(4, 2, 32, 16, Interleaved: true, Window: 0, Packed: false, Scale: 0),
        ["a part rotated"] = new(4, 2, 80, 24, Interleaved: false, Window: 0, Packed: true, Scale: 0),
        ["nothing rotated"] = new(5, 1, 8, 0, Interleaved: false, Window: 0, Packed: false, Scale: 0),
        ["a scale of its own"] = new(4, 2, 48, 24, Interleaved: false, Window: 0, Packed: false, Scale: 0.25f),
        ["a window"] = new(6, 2, 64, 32, Interleaved: false, Window: 7, Packed: false, Scale: 0),
        ["a wide window"] = new(6, 2, 64, 32, Interleaved: false, Window: 100, Packed: true, Scale: 0),
    };

    public TestContext TestContext { get; set; } = null!;

    /// <summary>One new position of rows of different lengths; a prompt and a later piece of it, each a few positions or more than a tile and a piece of keys take.</summary>
    public static IEnumerable<object[]> Cases =>
        from form in Forms.Keys
        from given in new (int Positions, int[] Pasts)[] { (1, [0]), (1, [129, 3, 64, 63]), (5, [0]), (3, [61]), (70, [0]), (66, [130]) }
        select new object[] { form, given.Positions, given.Pasts };

    [TestInitialize]
    public void RequireVectors()
    {
        TestContext.WriteLine($"seed {Seed}");
        if (!OperatorKernels.DecodeFaster)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Attention_OfRandomHeads_IsThatOfDoublePrecision(string form, int positions, int[] pasts)
    {
        AttentionCase given = new(Forms[form], positions, pasts, Seed);
        AttentionResult expected = given.Expected();
        AssertSame(expected, given.Run(ours: true, inPlace: true));
        AssertSame(expected, given.Run(ours: true, inPlace: false));
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Attention_OfRandomHeads_IsThatOfGroupQueryAttention(string form, int positions, int[] pasts)
    {
        AttentionCase given = new(Forms[form], positions, pasts, Seed);
        AssertSame(given.Run(ours: false, inPlace: true), given.Run(ours: true, inPlace: true));
    }

    /// <summary>Tokens of any rows in one run are those of each row's own: one of each, and more than a tile and a piece of keys take.</summary>
    [TestMethod]
    [DataRow(1, new[] { 129, 3, 64, 63 })]
    [DataRow(5, new[] { 4, 0, 61 })]
    [DataRow(70, new[] { 61, 0 })]
    public void Attention_OfTokensOfAnyRows_IsThatOfDoublePrecision(int positions, int[] pasts)
    {
        foreach (AttentionForm form in Forms.Values)
        {
            AttentionCase given = new(form, positions, pasts, Seed);
            AssertSame(given.Expected(), given.RunFlat());
        }
    }

    /// <summary>What is not in the cache is other memory.</summary>
    [TestMethod]
    [DataRow(-1)]
    [DataRow(AttentionCase.Capacity)]
    public void Attention_ToPositionsOutsideTheCache_IsRefused(int past)
    {
        AttentionCase given = new(Forms["Llama"], positions: 1, [past], Seed);
        OnnxRuntimeException error = Assert.ThrowsExactly<OnnxRuntimeException>(() => given.Run(ours: true, inPlace: true));
        StringAssert.Contains(error.Message, $"row 0 has {past + 1} positions with the 1 new ones, expected 1 to {AttentionCase.Capacity} in rows 0 to 0");
    }

    private static void AssertSame(AttentionResult expected, AttentionResult found)
    {
        AssertSame(expected.Attended, found.Attended, "attended");
        AssertSame(expected.Keys, found.Keys, "keys");
        AssertSame(expected.Values, found.Values, "values");
    }

    private static void AssertSame(float[] expected, float[] found, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.AreEqual(expected[i], found[i], 1e-5, $"{what} {i}");
        }
    }
}
