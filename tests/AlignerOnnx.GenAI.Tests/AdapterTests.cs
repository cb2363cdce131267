using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

[TestClass]
public sealed class AdapterTests
{
    private static readonly string s_folder = Material.NewTemporaryFolder();
    private static ChatModel s_model = null!;

    [ClassInitialize]
    public static void Patch(TestContext _)
    {
        // Full precision, so that computing with and without a cache gives the same tokens.
        PatchedPocket.Write(s_folder, "model-fp32");
        s_model = new ChatModel(s_folder);
    }

    [ClassCleanup]
    public static void Clean()
    {
        s_model.Dispose();
        Directory.Delete(s_folder, recursive: true);
    }

    [TestMethod]
    public void Slots_PatchedModel_AreFound()
    {
        Slot slot = s_model.Slots.Single();
        Assert.AreEqual("aligner.delta", slot.Name);
        Assert.AreEqual("float[-1,6,128]", slot.ToString());
    }

    [TestMethod]
    public void Generate_NoAdapterOrAZeroOne_SaysWhatTheBaseSays()
    {
        using ChatModel @base = new(Material.Pocket("model-fp32"));
        s_model.LoadAdapter("zero", PatchedPocket.WriteAdapter(s_folder, new float[6 * 128]));
        int[] expected = Ids(@base.Generate(Ask(null)));
        CollectionAssert.AreEqual(expected, Ids(s_model.Generate(Ask(null))));
        CollectionAssert.AreEqual(expected, Ids(s_model.Generate(Ask("zero"))));
        s_model.UnloadAdapter("zero");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void Generate_WithAdapter_EqualsPlainOnnxRuntimeFedTheSameValues(int seed)
    {
        float[] delta = PatchedPocket.RandomDelta(seed);
        string name = $"reference-{seed}";
        s_model.LoadAdapter(name, PatchedPocket.WriteAdapter(s_folder, delta));
        GenerationRequest request = Ask(name) with { MaxNewTokens = 8 };
        int[] found = Ids(s_model.Generate(request));
        int[] expected = GreedyReference.Generate(Path.Combine(s_folder, "model.onnx"), [.. request.PromptIds], delta, found.Length);
        CollectionAssert.AreEqual(expected, found);
        CollectionAssert.AreNotEqual(Ids(s_model.Generate(Ask(null) with { MaxNewTokens = 8 })), found, "the adapter changes nothing");
        s_model.UnloadAdapter(name);
    }

    [TestMethod]
    public void Generate_BaseAndTwoAdaptersAtOnce_DoNotMix()
    {
        s_model.LoadAdapter("one", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(11)));
        s_model.LoadAdapter("two", PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(12)));
        string?[] names = [null, "one", "two"];
        int[][] alone = [.. names.Select(name => Ids(s_model.Generate(Ask(name))))];
        Parallel.For(0, 30, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i =>
            CollectionAssert.AreEqual(alone[i % 3], Ids(s_model.Generate(Ask(names[i % 3])))));
        CollectionAssert.AreNotEqual(alone[1], alone[2]);
        s_model.UnloadAdapter("one");
        s_model.UnloadAdapter("two");
    }

    [TestMethod]
    public void UnloadAdapter_WhileInUse_FinishesAndFreesTheName()
    {
        string file = PatchedPocket.WriteAdapter(s_folder, PatchedPocket.RandomDelta(21));
        s_model.LoadAdapter("busy", file);
        int[] whole = Ids(s_model.Generate(Ask("busy")));
        List<GeneratedToken> tokens = [];
        foreach (GeneratedToken token in s_model.Generate(Ask("busy")))
        {
            if (tokens.Count == 0)
            {
                s_model.UnloadAdapter("busy");
                Assert.DoesNotContain("busy", s_model.Adapters);
                s_model.LoadAdapter("busy", file);
                s_model.UnloadAdapter("busy");
            }
            tokens.Add(token);
        }
        CollectionAssert.AreEqual(whole, Ids(tokens));
        Assert.ThrowsExactly<ArgumentException>(() => s_model.UnloadAdapter("busy"));
    }

    [TestMethod]
    [DataRow("aligner.delta", 10, 1L, 6L, 128L, DisplayName = "float16 for float")]
    [DataRow("aligner.delta", 1, 1L, 5L, 128L, DisplayName = "one layer short")]
    [DataRow("aligner.delta", 1, 1L, 6L, 64L, DisplayName = "narrower")]
    [DataRow("aligner.tokens", 1, 1L, 6L, 128L, DisplayName = "another layout")]
    [DataRow("input_ids", 1, 1L, 6L, 128L, DisplayName = "an ordinary input")]
    public void LoadAdapter_Misfit_IsRefusedBeforeAnyToken(string name, int type, long batch, long layers, long size)
    {
        byte[] values = new byte[batch * layers * size * (type == 1 ? 4 : 2)];
        string file = CompiledAdapter.Write(s_folder, name, type, [batch, layers, size], values);
        AdapterRefusedException e = Assert.ThrowsExactly<AdapterRefusedException>(() => s_model.LoadAdapter("misfit", file));
        StringAssert.Contains(e.Where, name);
        StringAssert.Contains(e.Expected, "aligner.delta".Equals(name, StringComparison.Ordinal) ? "float[-1,6,128]" : "aligner.delta");
    }

    private static GenerationRequest Ask(string? adapter) => new()
    {
        PromptIds = s_model.Encode(s_model.ApplyChatTemplate([new ChatTurn("user", "Tell me where a pig lives.")])),
        Adapter = adapter,
        MaxNewTokens = 40,
        Temperature = 0,
    };

    private static int[] Ids(IEnumerable<GeneratedToken> tokens) => [.. tokens.Select(t => t.Id)];
}
