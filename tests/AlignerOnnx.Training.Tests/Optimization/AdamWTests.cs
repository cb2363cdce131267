namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class AdamWTests
{
    [TestMethod]
    public void Step_First_MovesByTheLearningRateAgainstTheSign()
    {
        // After bias correction the first step has m = g and v = g^2, so it is lr * sign(g), whatever the size of g.
        float[] values = [1, 1, 1];
        new AdamW(new AdamWOptions { WeightDecay = 0 }, values).Step(0.1, [3f, -0.001f, 0f]);
        Assert.AreEqual(0.9, values[0], 1e-6);
        Assert.AreEqual(1.1, values[1], 1e-5);
        Assert.AreEqual(1, values[2]);
    }

    [TestMethod]
    public void Step_ConstantGradient_KeepsMovingByTheLearningRate()
    {
        // With a constant gradient the corrected moments stay g and g^2: closed form p - n * lr.
        float[] values = [1];
        AdamW optimizer = new(new AdamWOptions { WeightDecay = 0 }, values);
        for (int i = 0; i < 50; i++)
        {
            optimizer.Step(0.01, [0.5f]);
        }
        Assert.AreEqual(0.5, values[0], 1e-5);
    }

    [TestMethod]
    public void Step_NoGradient_OnlyDecays()
    {
        // Decoupled decay: p * (1 - lr * wd)^n.
        float[] values = [2];
        AdamW optimizer = new(new AdamWOptions { WeightDecay = 0.5 }, values);
        for (int i = 0; i < 10; i++)
        {
            optimizer.Step(0.1, [0f]);
        }
        Assert.AreEqual(2 * Math.Pow(0.95, 10), values[0], 1e-6);
    }

    [TestMethod]
    public void Step_TwoSteps_AreTheHandComputedOnes()
    {
        // lr 0.1, wd 0.1, g = 1 then -1. Step 1: 1 * 0.99 - 0.1 = 0.89.
        // Step 2: m = 0.9 * 0.1 - 0.1 = -0.01, / (1 - 0.81) = -1/19; v = 0.999 * 0.001 + 0.001 = 0.001999, / (1 - 0.998001) = 1; 0.89 * 0.99 + 0.1 / 19.
        float[] values = [1];
        AdamW optimizer = new(new AdamWOptions { WeightDecay = 0.1 }, values);
        optimizer.Step(0.1, [1f]);
        Assert.AreEqual(0.89, values[0], 1e-6);
        optimizer.Step(0.1, [-1f]);
        Assert.AreEqual(0.8811 + 0.1 / 19, values[0], 1e-6);
    }

    [TestMethod]
    public void Step_RandomGradients_FollowTheDefinitionAsSums()
    {
        // The moments written as explicit sums over all gradients, not as recurrences: an independent form of the same definition.
        DeterministicRandom random = new(42);
        float[] values = [0.7f];
        double reference = values[0];
        List<float> gradients = [];
        AdamW optimizer = new(new AdamWOptions { WeightDecay = 0.02 }, values);
        for (int t = 1; t <= 60; t++)
        {
            gradients.Add((float)random.NextNormal());
            double m = Enumerable.Range(1, t).Sum(i => 0.1 * Math.Pow(0.9, t - i) * gradients[i - 1]) / (1 - Math.Pow(0.9, t));
            double v = Enumerable.Range(1, t).Sum(i => 0.001 * Math.Pow(0.999, t - i) * gradients[i - 1] * gradients[i - 1]) / (1 - Math.Pow(0.999, t));
            reference += -0.009 * 0.02 * reference - 0.009 * m / (Math.Sqrt(v) + 1e-8);
            optimizer.Step(0.009, [gradients[^1]]);
        }
        // 60 float32 roundings of a value below 1.
        Assert.AreEqual(reference, values[0], 60 * 6e-8);
    }

    [TestMethod]
    public void Restore_Snapshot_ContinuesTheSamePath()
    {
        float[] straight = [1, 2];
        AdamW whole = new(new AdamWOptions(), straight);
        whole.Step(0.1, [1f, 2f]);
        float[] resumed = [.. straight];
        AdamW rest = new(new AdamWOptions(), resumed);
        rest.Restore(whole.Snapshot());
        whole.Step(0.1, [0.5f, -1f]);
        rest.Step(0.1, [0.5f, -1f]);
        CollectionAssert.AreEqual(straight, resumed);
        Assert.AreEqual(2, rest.StepCount);
    }

    [TestMethod]
    public void Step_WrongLength_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => new AdamW(new AdamWOptions(), [1f]).Step(0.1, [1f, 2f]));

    [TestMethod]
    public void Constructor_ConstantOutOfRange_IsRefused() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new AdamW(new AdamWOptions { Beta1 = 1 }, [1f]));

    [TestMethod]
    public void ClipByNorm_LongGradient_GetsTheLimit()
    {
        float[] first = [3];
        float[] second = [0, 4];
        Assert.AreEqual(5, GradientClipping.ClipByNorm(1, first, second), 1e-12);
        Assert.AreEqual(0.6, first[0], 1e-6);
        Assert.AreEqual(0.8, second[1], 1e-6);
    }

    [TestMethod]
    public void ClipByNorm_ShortGradient_IsLeftAlone()
    {
        float[] gradient = [0.3f];
        GradientClipping.ClipByNorm(1, gradient);
        Assert.AreEqual(0.3f, gradient[0]);
    }
}
