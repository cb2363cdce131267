namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class TrainingBatchTests
{
    private static readonly TrainingExample Short = new([4, 5], [-100, 5]);
    private static readonly TrainingExample Long = new([6, 7, 8, 9], [6, -100, 8, 9]);

    [TestMethod]
    public void Create_TwoLengths_PadsOnTheRight()
    {
        TrainingBatch batch = TrainingBatch.Create([Short, Long], paddingId: 1);
        Assert.AreEqual((2, 4, 3), (batch.LineCount, batch.Length, batch.TargetCount));
        CollectionAssert.AreEqual(new long[] { 4, 5, 1, 1, 6, 7, 8, 9 }, batch.InputIds);
        CollectionAssert.AreEqual(new long[] { 1, 1, 0, 0, 1, 1, 1, 1 }, batch.AttentionMask);
    }

    [TestMethod]
    public void Create_Targets_ArePredictedFromThePositionBefore()
    {
        TrainingBatch batch = TrainingBatch.Create([Short, Long]);
        CollectionAssert.AreEqual(new long[] { 0, 5, 6 }, batch.TargetPositions);
        CollectionAssert.AreEqual(new long[] { 5, 8, 9 }, batch.TargetIds);
    }

    [TestMethod]
    public void Create_Packed_PutsShortRowsIntoOneLine()
    {
        TrainingBatch batch = TrainingBatch.Create([Short, Long, Short], paddingId: 1, pack: true);
        Assert.AreEqual((2, 4, 4), (batch.LineCount, batch.Length, batch.TargetCount));
        CollectionAssert.AreEqual(new long[] { 6, 7, 8, 9, 4, 5, 4, 5 }, batch.InputIds);
        CollectionAssert.AreEqual(new long[] { 1, 1, 1, 1, 1, 1, 2, 2 }, batch.AttentionMask);
        CollectionAssert.AreEqual(new long[] { 1, 2, 4, 6 }, batch.TargetPositions);
    }

    [TestMethod]
    public void Create_Weights_SumToOneOverTokensNotRows()
    {
        TrainingBatch batch = TrainingBatch.Create([Short, Long]);
        CollectionAssert.AreEqual(new[] { 1 / 3f, 1 / 3f, 1 / 3f }, batch.TargetWeights);
        Assert.AreEqual(1, batch.TargetWeights.Sum(weight => (double)weight), 1e-6);
    }

    [TestMethod]
    public void Create_MicroBatches_WeighAsTheirWholeBatch()
    {
        double sum = TrainingBatch.Create([Short], weightTotal: 3).TargetWeights.Sum() + TrainingBatch.Create([Long], weightTotal: 3).TargetWeights.Sum();
        Assert.AreEqual(1, sum, 1e-6);
    }

    [TestMethod]
    public void Create_LabelAtPositionZero_CannotBeLearnt() =>
        Assert.ThrowsExactly<ArgumentException>(() => TrainingBatch.Create([new TrainingExample([3], [3])]));

    [TestMethod]
    public void Create_NoRow_IsRefused() => Assert.ThrowsExactly<ArgumentException>(() => TrainingBatch.Create([]));
}
