using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests.OnDevice;

[TestClass]
public sealed class OrtCheckpointFileTests
{
    private static readonly AdapterShape Shape = new(2, 3, 4, 5);

    [TestMethod]
    public void Parse_WhatWasWritten_GivesIt()
    {
        OrtCheckpoint written = Sample();
        OrtCheckpoint read = OrtCheckpointFile.Parse(OrtCheckpointFile.ToBytes(written), "test");
        Assert.AreEqual(Shape, read.Parameters.Shape);
        CollectionAssert.AreEqual(written.Parameters.Tokens, read.Parameters.Tokens);
        CollectionAssert.AreEqual(written.Parameters.Gates, read.Parameters.Gates);
        Assert.AreEqual(7, read.Optimizer!.StepCount);
        CollectionAssert.AreEqual(written.Optimizer!.FirstMoments[1], read.Optimizer.FirstMoments[1]);
        CollectionAssert.AreEqual(written.Optimizer.SecondMoments[0], read.Optimizer.SecondMoments[0]);
        Assert.AreEqual("abc", read.BaseFingerprint);
    }

    [TestMethod]
    public void Parse_BeforeTheFirstStep_HasNoOptimizer() => Assert.IsNull(OrtCheckpointFile.Parse(OrtCheckpointFile.ToBytes(Sample() with { Optimizer = null }), "test").Optimizer);

    [TestMethod]
    [DataRow("mini_hand/saved_by_ort128.ckpt")]
    [DataRow("mini_official/checkpoint")]
    [DataRow("hand_ce/saved.frozen.bool")]
    public void Read_CheckpointOfOtherParameters_IsRefusedAndNamesThem(string file)
    {
        string path = Material.Shared("golden", "training", file);
        Assert.IsTrue(OrtCheckpointFile.IsCheckpoint(path));
        CheckpointRefusedException refusal = Assert.ThrowsExactly<CheckpointRefusedException>(() => OrtCheckpointFile.Read(path));
        Assert.Contains("no 'aligner.tokens' among [", refusal.Found!);
    }

    [TestMethod]
    public void Parse_EveryTruncation_IsRefused()
    {
        byte[] whole = OrtCheckpointFile.ToBytes(Sample());
        // The last bytes are read last or are padding: without them the file may still be whole.
        for (int length = 0; length < whole.Length - 8; length++)
        {
            _ = Assert.ThrowsExactly<CheckpointRefusedException>(() => OrtCheckpointFile.Parse(whole.AsMemory(0, length), "test"), $"{length} bytes");
        }
    }

    [TestMethod]
    public void Parse_DamagedBytes_AnswersOrRefuses()
    {
        byte[] whole = OrtCheckpointFile.ToBytes(Sample());
        int seed = Environment.TickCount;
        Random random = new(seed);
        for (int i = 0; i < 50_000; i++)
        {
            byte[] damaged = (byte[])whole.Clone();
            for (int change = random.Next(1, 5); change > 0; change--)
            {
                damaged[random.Next(damaged.Length)] = random.Next(3) switch { 0 => 0xFF, 1 => 0, _ => (byte)random.Next(256) };
            }
            try
            {
                _ = OrtCheckpointFile.Parse(damaged, "test");
            }
            catch (CheckpointRefusedException)
            {
                // As it should be.
            }
            catch (Exception other)
            {
                Assert.Fail($"seed {seed}, input {i}: {other}");
            }
        }
    }

    private static OrtCheckpoint Sample()
    {
        double[] Numbers(int count, double scale) => [.. Enumerable.Range(0, count).Select(i => (double)(float)(scale * (i + 1)))];
        float[] Singles(int count, double scale) => [.. Numbers(count, scale).Select(number => (float)number)];
        return new OrtCheckpoint(
            new AdapterParameters(Shape, Singles(Shape.TokenValues, 0.5), Singles(Shape.GateValues, -0.1)),
            new AdamWState(7, [Numbers(Shape.TokenValues, 0.01), Numbers(Shape.GateValues, 0.02)], [Numbers(Shape.TokenValues, 0.03), Numbers(Shape.GateValues, 0.04)])) { BaseFingerprint = "abc" };
    }
}
