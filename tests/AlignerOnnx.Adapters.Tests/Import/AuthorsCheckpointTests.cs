using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Import;

/// <summary>The checkpoints that the method's authors published, against what is known of them from another reader.</summary>
[TestClass]
public sealed class AuthorsCheckpointTests
{
    [TestMethod]
    [DataRow("llama2-7b-alpaca-1token", 1, 5_056)]
    [DataRow("llama2-7b-metamath-10tokens", 10, 41_920)]
    [DataRow("llama2-7b-metamath-100tokens", 100, 410_560)]
    [DataRow("llama2-7b-metamath-300tokens", 300, 1_229_760)]
    [DataRow("llama2-13b-alpaca-1token", 1, 6_640)]
    [DataRow("llama2-13b-alpaca-10tokens", 10, 52_720)]
    public void Read_OfAPublishedCheckpoint_HasTheParametersThatTheMethodHas(string name, int tokens, int parameters)
    {
        Adapter adapter = Read(name);
        Assert.AreEqual(tokens, adapter.Config.NumTokens);
        Assert.AreEqual(2, adapter.Config.StartLayer);
        Assert.AreEqual(name.Contains("13b", StringComparison.Ordinal) ? (40, 5120, 40) : (32, 4096, 32), (adapter.Config.NumLayers, adapter.Config.HiddenSize, adapter.Config.NumHeads));
        Assert.AreEqual(parameters, adapter.Tokens.Length + adapter.Gates.Length);
        // Trained tokens stay close to the N(0, 1) that they started from.
        Assert.AreEqual(1, Math.Sqrt(adapter.Tokens.ToArray().Average(number => (double)number * number)), 0.02);
    }

    /// <summary>Independent runs share their first random token, and pure bfloat16 steps left most of it as it was.</summary>
    [TestMethod]
    [DataRow("llama2-7b-alpaca-1token", "llama2-7b-beaver-sft-1token", 4096 - 3275, null)]
    [DataRow("llama2-7b-alpaca-1token", "llama2-7b-metamath-1token", 4096 - 2407, null)]
    [DataRow("llama2-7b-beaver-dpo-1token", "llama2-7b-beaver-sft-1token", 6, 275)]
    public void Read_OfTwoPublishedCheckpoints_DiffersWhereTheyDo(string first, string second, int tokens, int? gates)
    {
        (Adapter one, Adapter two) = (Read(first), Read(second));
        Assert.AreEqual(tokens, Differences(one.Tokens, two.Tokens));
        if (gates is { } expected)
        {
            Assert.AreEqual(expected, Differences(one.Gates, two.Gates));
        }
    }

    [TestMethod]
    public void Read_OfTheFileThatIsNoCheckpoint_IsRefused()
    {
        string file = PathOf("not-a-checkpoint-llama2-7b-alpaca-10tokens");
        AdapterRefusedException refusal = Assert.ThrowsExactly<AdapterRefusedException>(() => ForeignCheckpoint.Read(file, model: null));
        Assert.Contains("not a checkpoint", refusal.What);
    }

    private static Adapter Read(string name) => ForeignCheckpoint.Read(PathOf(name), model: null);

    private static string PathOf(string name) => Material.Shared("aligner-checkpoints", $"{name}.pth");

    private static int Differences(ReadOnlyMemory<float> one, ReadOnlyMemory<float> two) => one.ToArray().Zip(two.ToArray()).Count(pair => BitConverter.SingleToInt32Bits(pair.First) != BitConverter.SingleToInt32Bits(pair.Second));
}
