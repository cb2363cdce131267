using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition.Decomposed;

/// <summary>Numbers and places that are computed with: few enough to hold, and none that a crafted file could make overflow.</summary>
[TestClass]
public sealed class KnownTests
{
    /// <summary>Scales, axes and masks are small; weights are never read.</summary>
    [TestMethod]
    [DataRow(DataType.Float, 4, 64, true)]
    [DataRow(DataType.Float, 4, 65, false)]
    [DataRow(DataType.Float16, 2, 64, true)]
    [DataRow(DataType.Bfloat16, 2, 65, false)]
    [DataRow(DataType.Int64, 8, 4096, true)]
    [DataRow(DataType.Int64, 8, 4097, false)]
    [DataRow(DataType.Int32, 4, 4096, true)]
    [DataRow(DataType.Bool, 1, 4096, true)]
    [DataRow(DataType.Bool, 1, 4097, false)]
    [DataRow(DataType.Double, 8, 1, false)]
    [DataRow(DataType.Int8, 1, 1, false)]
    public void StoredNumbers_AreReadWhereTheyAreFew(DataType type, int width, int count, bool areRead)
    {
        Known known = PartialEvaluation.OfTensor(Tensor.Stored(Tensor.Inline("t", type, new byte[width * count], count)));
        CollectionAssert.AreEqual(new long[] { count }, known.Shape);
        Assert.AreEqual((areRead ? count : (int?)null, areRead && type is DataType.Int64 or DataType.Int32 or DataType.Bool), (known.Numbers?.Length, known.IsInteger));
    }

    [TestMethod]
    public void Integers_StayInTheirRange()
    {
        CollectionAssert.AreEqual(new[] { long.MaxValue, long.MinValue, 2 }, new Known([3], [1e30, -1e30, 2.9]).Integers);
        Assert.IsNull(new Known([3]).Integers);
    }

    [TestMethod]
    public void Number_IsTheOnlyOne()
    {
        Assert.AreEqual(7.0, Known.Scalar(7).Number);
        Assert.IsNull(Known.List(1, 2).Number);
        Assert.IsNull(Known.List().Number);
        Assert.IsNull(Known.Nothing.Number);
    }

    [TestMethod]
    public void Count_IsThatOfTheShape()
    {
        Assert.AreEqual(6L, new Known([2, 3]).Count);
        Assert.AreEqual(1L, new Known([]).Count);
        Assert.IsNull(Known.Nothing.Count);
        Assert.ThrowsExactly<OverflowException>(() => Coordinates.Count([1L << 40, 1L << 40]));
        Assert.ThrowsExactly<OverflowException>(() => Coordinates.Count([0, -1]));
        Assert.AreEqual(0L, Coordinates.Count([0, 5]));
    }

    [TestMethod]
    [DataRow(new long[] { 2, 3 }, 0L, true)]
    [DataRow(new long[] { 2, 3 }, 5L, true)]
    [DataRow(new long[] { 2, 3 }, 6L, false)]
    [DataRow(new long[] { 2, 0 }, 0L, false)]
    [DataRow(new long[] { }, 0L, true)]
    [DataRow(new long[] { }, 1L, false)]
    [DataRow(new long[] { 1L << 40, 1L << 40 }, 5L, true)]
    public void APlace_IsOneThatTheShapeHas(long[] shape, long place, bool has) => Assert.AreEqual(has, Coordinates.Has(shape, place));

    [TestMethod]
    public void Places_AreRowMajor()
    {
        CollectionAssert.AreEqual(new long[] { 1, 0, 2 }, Coordinates.Of(14, [2, 3, 4]));
        Assert.AreEqual(14L, Coordinates.Place([1, 0, 2], [2, 3, 4]));
        Assert.AreEqual(2L, Coordinates.Place([1, 0, 2], [1, 4]), "a dimension of one is repeated, a missing one too");
    }

    [TestMethod]
    [DataRow(new long[] { 2, 3 }, new long[] { 3 }, new long[] { 2, 3 })]
    [DataRow(new long[] { 3 }, new long[] { 2, 1 }, new long[] { 2, 3 })]
    [DataRow(new long[] { 2, 1, 4 }, new long[] { 3, 1 }, new long[] { 2, 3, 4 })]
    [DataRow(new long[] { 1 }, new long[] { 0 }, new long[] { 0 })]
    [DataRow(new long[] { 2, 3 }, new long[] { 2 }, null)]
    [DataRow(new long[] { 2 }, new long[] { 3 }, null)]
    public void Shapes_GoTogetherWhereSizesAreEqualOrOne(long[] first, long[] second, long[]? together) => CollectionAssert.AreEqual(together, Coordinates.Together(first, second));

    [TestMethod]
    public void Axes_CountFromEitherEnd()
    {
        Assert.AreEqual((0, 2, 2, 0), (Coordinates.Axis(0, 3), Coordinates.Axis(2, 3), Coordinates.Axis(-1, 3), Coordinates.Axis(-3, 3)));
        foreach (long axis in new[] { 3, -4, long.MaxValue, long.MinValue })
        {
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Coordinates.Axis(axis, 3));
        }
    }
}
