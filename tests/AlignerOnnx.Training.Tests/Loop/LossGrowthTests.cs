namespace AlignerOnnx.Training.Tests.Loop;

[TestClass]
public sealed class LossGrowthTests
{
    [TestMethod]
    public void Find_LossThatGrows_IsTheFirstStepWhoseMeanIsFarAbove()
    {
        // From step 14 on 10; the mean of the last ten is (10 - k) / 10 + k > 2.5 from the second of them.
        double[] losses = [.. Enumerable.Repeat(1.0, 13), .. Enumerable.Repeat(10.0, 20)];
        LossGrowth growth = LossGrowth.Find(losses)!;
        Assert.AreEqual(15, growth.Step);
        Assert.AreEqual(1, growth.Start);
        Assert.AreEqual(2.8, growth.Loss, 1e-12);
    }

    [TestMethod]
    public void Find_LossThatFallsWithASpike_IsNone() =>
        Assert.IsNull(LossGrowth.Find([.. Enumerable.Range(0, 20).Select(i => 3 - (i / 20.0)), 12, .. Enumerable.Repeat(2.0, 20)]));

    [TestMethod]
    public void Find_FewSteps_IsNone() => Assert.IsNull(LossGrowth.Find([1, 9, 99, 999]));
}
