namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class LearningRateScheduleTests
{
    [TestMethod]
    [DataRow(LearningRateShape.Constant, new[] { 0.25, 0.5, 0.75, 1, 1, 1, 1, 1 })]
    [DataRow(LearningRateShape.Linear, new[] { 0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25 })]
    [DataRow(LearningRateShape.Cosine, new[] { 0.25, 0.5, 0.75, 1, 1, 0.8535533905932737, 0.5, 0.1464466094067263 })]
    public void At_WarmUpOfFour_RisesThenFollowsTheShape(LearningRateShape shape, double[] expected)
    {
        LearningRateSchedule schedule = new(shape, 1, warmUpSteps: 4, totalSteps: 8);
        for (int step = 0; step < expected.Length; step++)
        {
            Assert.AreEqual(expected[step], schedule.At(step), 1e-12, $"step {step}");
        }
    }

    [TestMethod]
    public void At_NoWarmUp_StartsAtThePeak() => Assert.AreEqual(0.02, new LearningRateSchedule(LearningRateShape.Cosine, 0.02, 0, 10).At(0), 1e-15);

    [TestMethod]
    public void At_PastTheEnd_StaysAtTheEnd() => Assert.AreEqual(0, new LearningRateSchedule(LearningRateShape.Linear, 1, 0, 10).At(50));

    [TestMethod]
    public void At_WarmUpOnly_EndsAtThePeak() => Assert.AreEqual(1, new LearningRateSchedule(LearningRateShape.Cosine, 1, 3, 3).At(2));

    [TestMethod]
    [DataRow(0, 0, 1)]
    [DataRow(double.NaN, 0, 1)]
    [DataRow(1, 2, 1)]
    [DataRow(1, -1, 1)]
    [DataRow(1, 0, 0)]
    public void Constructor_OutOfRange_IsRefused(double peak, int warmUp, int total) =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new LearningRateSchedule(LearningRateShape.Constant, peak, warmUp, total));
}
