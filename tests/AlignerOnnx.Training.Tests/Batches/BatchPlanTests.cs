namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class BatchPlanTests
{
    [TestMethod]
    public void RowsOf_FileOrder_WrapsAround()
    {
        BatchPlan plan = new(rowCount: 5, batchSize: 4, BatchOrder.File, seed: 0);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3 }, plan.RowsOf(0));
        CollectionAssert.AreEqual(new[] { 4, 0, 1, 2 }, plan.RowsOf(1));
    }

    [TestMethod]
    public void RowsOf_Shuffled_TakesEachRowOnceInEachEpoch()
    {
        BatchPlan plan = new(rowCount: 12, batchSize: 5, BatchOrder.Shuffled, seed: 3);
        int[] rows = [.. Enumerable.Range(0, 12).SelectMany(plan.RowsOf)];
        int[][] epochs = [.. rows.Chunk(12)];
        foreach (int[] epoch in epochs)
        {
            CollectionAssert.AreEquivalent(Enumerable.Range(0, 12).ToArray(), epoch);
        }
        CollectionAssert.AreNotEqual(epochs[0], epochs[1]);
    }

    [TestMethod]
    public void RowsOf_Shuffled_DependsOnSeedAndStepOnly()
    {
        BatchPlan plan = new(100, 8, BatchOrder.Shuffled, seed: 7);
        int[] late = plan.RowsOf(40);
        plan.RowsOf(2);
        CollectionAssert.AreEqual(late, plan.RowsOf(40));
        CollectionAssert.AreEqual(late, new BatchPlan(100, 8, BatchOrder.Shuffled, seed: 7).RowsOf(40));
        CollectionAssert.AreNotEqual(late, new BatchPlan(100, 8, BatchOrder.Shuffled, seed: 8).RowsOf(40));
    }

    [TestMethod]
    public void RowsOf_BatchLargerThanTheData_TakesEachRowOnce() =>
        CollectionAssert.AreEqual(new[] { 0, 1 }, new BatchPlan(2, 100_000, BatchOrder.File, 0).RowsOf(3));
}
