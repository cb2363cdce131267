using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class DeterministicRandomTests
{
    [TestMethod]
    public void SplitMix64_Seed1234567_GivesThePublishedNumbers()
    {
        // Test vector of the reference implementation (prng.di.unimi.it/splitmix64.c), as quoted by many ports.
        ulong state = 1234567;
        ulong[] expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821];
        CollectionAssert.AreEqual(expected, expected.Select(_ => DeterministicRandom.SplitMix64(ref state)).ToArray());
    }

    [TestMethod]
    public void NextUInt64_State1234_GivesThePublishedNumbers()
    {
        // Test vector of rand_xoshiro, made with the reference implementation.
        DeterministicRandom random = new(1, 2, 3, 4);
        ulong[] expected = [11520, 0, 1509978240, 1215971899390074240, 1216172134540287360];
        CollectionAssert.AreEqual(expected, expected.Select(_ => random.NextUInt64()).ToArray());
    }

    [TestMethod]
    public void NextNormal_ManyNumbers_HaveTheMomentsOfTheNormalDistribution()
    {
        DeterministicRandom random = new(1);
        double[] values = [.. Enumerable.Range(0, 100_000).Select(_ => random.NextNormal())];
        // Standard errors for 100,000 numbers: 0.0032 (mean), 0.0045 (variance), 0.031 (fourth moment); five of them are allowed.
        Assert.AreEqual(0, values.Average(), 0.016);
        Assert.AreEqual(1, values.Average(v => v * v), 0.023);
        Assert.AreEqual(3, values.Average(v => v * v * v * v), 0.16);
    }

    [TestMethod]
    public void NextInt_SmallBound_ReachesEveryValueEvenly()
    {
        DeterministicRandom random = new(5);
        int[] counts = new int[3];
        for (int i = 0; i < 30_000; i++)
        {
            counts[random.NextInt(3)]++;
        }
        Assert.IsTrue(counts.All(count => Math.Abs(count - 10_000) < 410), string.Join(", ", counts));
    }

    [TestMethod]
    public void Initial_SameSeed_GivesTheSameTokensAndZeroGates()
    {
        AdapterShape shape = new(2, 64, 3, 4);
        AdapterParameters first = AdapterParameters.Initial(shape, 9);
        CollectionAssert.AreEqual(first.Tokens, AdapterParameters.Initial(shape, 9).Tokens);
        CollectionAssert.AreNotEqual(first.Tokens, AdapterParameters.Initial(shape, 10).Tokens);
        Assert.IsTrue(first.Gates.All(gate => gate == 0));
        Assert.AreEqual(140, shape.TrainableValues);
    }

    [TestMethod]
    [DataRow(64, 3, 1.0)]
    [DataRow(512, 3, 0.5)]
    [DataRow(512, 0, 1.0)]
    public void Initial_WithoutAScale_FitsTheHiddenSize(int hiddenSize, int adaptedLayers, double scale)
    {
        AdapterShape shape = new(2, hiddenSize, adaptedLayers, 4);
        float[] expected = [.. AdapterParameters.Initial(shape, 9, scale: 1).Tokens.Select(value => (float)(scale * value))];
        Closeness.AssertClose(expected, AdapterParameters.Initial(shape, 9).Tokens, 1e-6, "tokens");
    }
}
