namespace AlignerOnnx.Training.Tests.Loop;

[TestClass]
public sealed class LearningRateRangeTestTests
{
    [TestMethod]
    public void Suggest_LossThatFallsAndRises_IsHalfWayDown()
    {
        double[] losses = [2.0, 2.01, 2.0, 1.9, 1.7, 1.4, 1.1, 1.0, 1.2, 3.0];
        // Half way from 2.01 to 1.0 is 1.505: the last point above it on the way down is the fifth.
        Assert.AreEqual(1e-1, LearningRateRangeTest.Suggest(Curve(losses))!.Value, 1e-12);
    }

    [TestMethod]
    public void Suggest_LossThatOnlyRises_IsNone() => Assert.IsNull(LearningRateRangeTest.Suggest(Curve([1, 1.1, 1.2, 2])));

    [TestMethod]
    public void Suggest_NoStep_IsNone() => Assert.IsNull(LearningRateRangeTest.Suggest([]));

    [TestMethod]
    public void At_GrowsByTheSameFactor()
    {
        LearningRateRange range = new() { Lowest = 1e-4, Highest = 1, Steps = 5 };
        CollectionAssert.AreEqual(new[] { 1e-4, 1e-3, 1e-2, 1e-1, 1 }, Enumerable.Range(0, 5).Select(step => Math.Round(range.At(step), 12)).ToArray());
    }

    [TestMethod]
    [DataRow(0, 1, 10)]
    [DataRow(1, 1, 10)]
    [DataRow(1e-3, 1, 1)]
    public void Check_OutsideItsRange_Throws(double lowest, double highest, int steps) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LearningRateRange { Lowest = lowest, Highest = highest, Steps = steps }.Check());

    /// <summary>Rates 1e-5, 1e-4, ...</summary>
    private static LearningRatePoint[] Curve(double[] losses) => [.. losses.Select((loss, step) => new LearningRatePoint(step + 1, Math.Pow(10, step - 5), loss, loss))];
}
