using System.Runtime.Intrinsics.X86;

namespace AlignerOnnx.Kernels.Tests;

/// <summary>MatMulInt4 in a session of ONNX Runtime, on random weights: against double precision, and against MatMulNBits of accuracy level 4.</summary>
[TestClass]
public sealed class MatMulInt4Tests
{
    private static readonly int Seed = Environment.TickCount;

    public TestContext TestContext { get; set; } = null!;

    /// <summary>Rows of activations: one (a way of its own), few, even and odd, more than one pass takes. Columns: less than a block, no multiple of a block, of two blocks, of eight.</summary>
    public static IEnumerable<object[]> Cases =>
        from blockSize in new[] { 32, 64, 128, 256 }
        from rows in new[] { 1, 2, 7, 64, 131 }
        from columns in new[] { 5, 96, 321, 1000 }
        from zeroPoints in new[] { true, false }
        select new object[] { rows, columns, blockSize, zeroPoints };

    [TestInitialize]
    public void RequireVectors()
    {
        TestContext.WriteLine($"seed {Seed}");
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Product_OfRandomWeights_IsThatOfDoublePrecision(int rows, int columns, int blockSize, bool zeroPoints)
    {
        int products = 16 + ((rows + columns) % 40);
        Int4Case given = new(rows, columns, products, blockSize, zeroPoints, Seed);
        float[] found = given.Run(ours: true);
        for (int i = 0; i < found.Length; i++)
        {
            (double value, double tolerance, _) = given.Expected(i / products, i % products);
            Assert.AreEqual(value, found[i], tolerance, $"row {i / products}, column {i % products} of {products}");
        }
    }

    /// <summary>Both round the activations in the same way; what is left is the order of sums in float32, and that MatMulNBits sums the zero points' share apart.</summary>
    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Product_OfRandomWeights_IsThatOfMatMulNBits(int rows, int columns, int blockSize, bool zeroPoints)
    {
        Int4Case given = new(rows, columns, products: 37, blockSize, zeroPoints, Seed);
        float[] expected = given.Run(ours: false);
        float[] found = given.Run(ours: true);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.AreEqual(expected[i], found[i], given.Expected(i / 37, i % 37).ToleranceOfTwoSums, $"row {i / 37}, column {i % 37}");
        }
    }

    /// <summary>Where every product is as large as can be, sums of 16 bits come closest to their end.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Product_OfLargestValues_DoesNotOverflow(int rows)
    {
        Int4Case given = Int4Case.OfLargestValues(rows, columns: 96, products: 16, blockSize: 32);
        float[] found = given.Run(ours: true);
        for (int i = 0; i < found.Length; i++)
        {
            (double value, double tolerance, _) = given.Expected(i / 16, i % 16);
            Assert.AreEqual(value, found[i], tolerance, $"element {i}");
        }
    }
}
