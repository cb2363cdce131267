using System.Runtime.Intrinsics.X86;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Gradients;

/// <summary>Whole training graphs of a tiny decoder in ONNX Runtime: what comes out, whatever the way it is computed.</summary>
[TestClass]
public sealed class TrainingGraphTests
{
    private const string Opset21 = "[\"\" : 21, \"com.microsoft\" : 1]";
    private const string Tokens = "aligner.tokens_gradient";
    private const string Gates = "aligner.gates_gradient";

    /// <summary>Float32 sums of some dozen numbers of order 1, in another order.</summary>
    private const double Tolerance = 2e-5;

    private static readonly string Quantised = TinyDecoder.Text.With(TinyDecoder.Float32Head, TinyDecoder.QuantisedHead);

    private static readonly TrainingGraphOptions Pieces = new() { VocabularyPiece = 4 };

    private static readonly Dictionary<string, (string Text, int Tokens, int StartLayer, TrainingGraphOptions Options)> Cases = new()
    {
        ["one token in every layer"] = (TinyDecoder.Text, 1, 0, new TrainingGraphOptions()),
        ["three tokens in the last layer"] = (TinyDecoder.Text, 3, 1, new TrainingGraphOptions()),
        ["a quantised head in pieces"] = (Quantised, 2, 0, new TrainingGraphOptions { VocabularyPiece = 4 }),
        ["a quantised head at once"] = (Quantised, 2, 0, new TrainingGraphOptions()),
        ["concat attention"] = (TinyDecoder.Text, 2, 0, new TrainingGraphOptions { Attention = AttentionReading.Concat }),
        ["preferences"] = (TinyDecoder.Text, 1, 0, new TrainingGraphOptions { Preference = new PreferenceLossOptions { Beta = 0.3 } }),
        ["preferences, a quantised head in pieces"] = (Quantised, 1, 1, new TrainingGraphOptions { Preference = new PreferenceLossOptions { Kind = PreferenceLossKind.Ipo, Beta = 0.5 }, VocabularyPiece = 3 }),
    };

    /// <summary>Pieces of four words of ten, but for the first.</summary>
    private static readonly Dictionary<string, (string Text, TrainingGraphOptions Options, bool InPieces)> Heads = new()
    {
        ["of one piece"] = (Quantised, Pieces with { VocabularyPiece = 10 }, false),
        ["of 4 bits"] = (Quantised, Pieces, true),
        ["of 4 bits, for kernels of our own"] = (Quantised, Pieces with { Runtime = TrainingRuntime.AlignerKernels }, true),
        ["of 4 bits, for the training runtime"] = (Quantised, Pieces with { Runtime = TrainingRuntime.OnnxRuntimeTraining }, false),
        ["of 8 bits"] = (Quantised.With("bits = 4", "bits = 8").With("uint8[10, 2, 8]", "uint8[10, 2, 16]").With("uint8[10] zeros", "uint8[20] zeros"), Pieces, true),
        ["of 2 bits"] = (Quantised.With("bits = 4", "bits = 2").With("uint8[10, 2, 8]", "uint8[10, 2, 4]"), Pieces, false),
        ["with a bias"] = (Quantised.With("scales, zeros)", "scales, zeros, , bias)").With("int32[2] lengths", "float[10] bias = [\"location\": \"b\"], int32[2] lengths"), Pieces, false),
        ["with columns in another order"] = (Quantised.With("scales, zeros)", "scales, , order)").With("int32[2] lengths", $"int32[32] order = {{{string.Join(", ", Enumerable.Repeat("1, 0", 16))}}}, int32[2] lengths"), Pieces, false),
        ["with zero points that are numbers"] = (Quantised.With("uint8[10] zeros", "float[20] zeros"), Pieces, false),
        ["with padded rows"] = (Quantised.With("block_size = 16", "block_size = 64").With("uint8[10, 2, 8]", "uint8[10, 1, 32]").With("float[20] scales", "float[10] scales"), Pieces, false),
        ["scaled behind"] = (Quantised.With("logits = com", "unscaled = com").With("scales, zeros)", "scales, zeros) logits = Mul (unscaled, two)").With("int32[2] lengths", "float two = {2}, int32[2] lengths"), Pieces, false),
        ["that something else reads"] = (Quantised.With("scales, zeros)", "scales, zeros) negative = Neg (logits)"), Pieces, false),
    };

    public static IEnumerable<object[]> CaseNames => Cases.Keys.Select(name => new object[] { name });

    public static IEnumerable<object[]> HeadNames => Heads.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(CaseNames))]
    public void Gradient_AlongRandomDirections_EqualsCentralDifference(string name)
    {
        (string text, int tokens, int startLayer, TrainingGraphOptions options) = Cases[name];
        using GraphRunner runner = new(TrainingGraph.Build(TinyDecoder.Load(text), TrainingGraphKind.Gradient, startLayer, tokens, options));
        Random random = new(5);
        float[][] at = Parameters(random, tokens, startLayer);
        IReadOnlyDictionary<string, float[]> results = TinyDecoder.Run(runner, at[0], at[1]);
        for (int trial = 0; trial < 3; trial++)
        {
            float[][] direction = Parameters(random, tokens, startLayer);
            const float step = 1e-2f;
            double LossAt(float by) => TinyDecoder.Run(runner, Moved(at[0], direction[0], by), Moved(at[1], direction[1], by))["loss"][0];
            double difference = (LossAt(step) - LossAt(-step)) / (2 * step);
            double along = Dot(results[Tokens], direction[0]) + (results.TryGetValue(Gates, out float[]? gates) ? Dot(gates, direction[1]) : 0);
            // The loss is float32 of about 5: its rounding over the step bounds the absolute error, curvature the relative one.
            Assert.AreEqual(difference, along, 2e-4 + (0.01 * Math.Abs(difference)), $"{name}, trial {trial}");
            Assert.IsGreaterThan(1e-3, Math.Abs(difference), $"{name}, trial {trial}: there is something to compare");
        }
    }

    /// <summary>Four and two words, five and five, nine and one: the same numbers as of ten at once.</summary>
    [TestMethod]
    [DataRow(4)]
    [DataRow(5)]
    [DataRow(9)]
    public void AVocabularyInPieces_GivesTheSameAsAWholeOne(int piece)
    {
        OnnxModel inPieces = Build(Quantised, new TrainingGraphOptions { VocabularyPiece = piece });
        int heads = inPieces.Graph.Nodes.Count(node => node.OpType == "MatMulNBits");
        Assert.AreEqual((TinyDecoder.Words + piece - 1) / piece, heads);
        AssertSame(Build(Quantised, new TrainingGraphOptions { VocabularyPiece = TinyDecoder.Words }), inPieces);
    }

    [TestMethod]
    [DynamicData(nameof(HeadNames))]
    public void AHead_IsCutWhereItsRowsAreStoredOneAfterTheOther(string name)
    {
        (string text, TrainingGraphOptions options, bool inPieces) = Heads[name];
        OnnxModel model = TrainingGraph.Build(TinyDecoder.Load(text), TrainingGraphKind.Evaluation, startLayer: 0, tokens: 1, options);
        Assert.AreEqual(inPieces, model.Graph.Nodes.Count(node => node.OpType == "MatMulNBits") > 1, name);
        Assert.AreEqual(!inPieces, model.Graph.Nodes.Any(node => node.OpType == "LogSoftmax"), name);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Recomputation_GivesTheSameNumbers(int tokens)
    {
        OnnxModel again = Build(TinyDecoder.Text, new TrainingGraphOptions { Recompute = true }, tokens);
        OnnxModel kept = Build(TinyDecoder.Text, new TrainingGraphOptions(), tokens);
        Assert.IsNotEmpty(Recomputed(again));
        Assert.IsEmpty(Recomputed(kept));
        AssertSame(kept, again, tolerance: 0, tokens);

        static IEnumerable<Node> Recomputed(OnnxModel model) => model.Graph.Nodes.Where(node => node.Name.EndsWith(".recomputed", StringComparison.Ordinal));
    }

    [TestMethod]
    public void TheTrainingRuntime_GetsTheSameNumbersFromItsOwnOperators()
    {
        string quantisedEmbedding = Quantised.With(TinyDecoder.Embedding, "x0 = com.microsoft.GatherBlockQuantized <bits = 4, block_size = 16, gather_axis = 0, quantize_axis = 1> (rows, input_ids, row_scales)")
            .With("int32[2] lengths", "uint8[10, 16] rows = [\"location\": \"r\"], float[10, 2] row_scales = [\"location\": \"rs\"], int32[2] lengths");
        OnnxModel usual = Build(quantisedEmbedding.With("\"\" : 21", "\"\" : 23"), new TrainingGraphOptions());
        OnnxModel portable = Build(quantisedEmbedding.With("\"\" : 21", "\"\" : 23"), new TrainingGraphOptions { Runtime = TrainingRuntime.OnnxRuntimeTraining });
        Assert.AreEqual((23, 21), (usual.Opset(), portable.Opset()));
        Assert.IsTrue(Gathers(usual));
        Assert.IsFalse(Gathers(portable), "ONNX Runtime Training lacks it");
        AssertSame(usual, portable);

        static bool Gathers(OnnxModel model) => model.Graph.Nodes.Any(node => node.OpType == "GatherBlockQuantized");
    }

    [TestMethod]
    [DataRow(TrainingRuntime.OnnxRuntime, 0)]
    [DataRow(TrainingRuntime.OnnxRuntimeTraining, 0)]
    [DataRow(TrainingRuntime.AlignerKernels, 1)]
    public void OperatorsOfOurOwn_AreImportedForTheirRuntime(TrainingRuntime runtime, int version)
    {
        OnnxModel model = Build(TinyDecoder.Text, new TrainingGraphOptions { Runtime = runtime });
        Assert.AreEqual(version, model.ToProto().OpsetImport.SingleOrDefault(import => import.Domain == KernelOperators.Domain)?.Version ?? 0);
        Assert.AreEqual(version == 1, model.Graph.Nodes.Any(node => node.Domain == KernelOperators.Domain));
    }

    /// <summary>The embedded model, whose weights of 4 bits all have the kernel's form: with it no product is left for which ONNX Runtime would copy the weight.</summary>
    [TestMethod]
    [DataRow(TrainingGraphKind.Gradient)]
    [DataRow(TrainingGraphKind.Evaluation)]
    [DataRow(TrainingGraphKind.Logits)]
    public void ProductsOf4Bits_AreOfTheRuntimeThatComputesThem(TrainingGraphKind kind)
    {
        if (!Avx2.IsSupported)
        {
            Assert.Inconclusive("the kernel needs AVX2");
        }
        OnnxModel pocket = ModelLoader.Load(Material.Pocket());
        foreach (TrainingRuntime runtime in Enum.GetValues<TrainingRuntime>())
        {
            OnnxModel model = TrainingGraph.Build(pocket, kind, startLayer: 2, tokens: 1, new TrainingGraphOptions { Runtime = runtime });
            Assert.AreEqual(runtime != TrainingRuntime.AlignerKernels, model.Graph.Nodes.Any(node => node.OpType == "MatMulNBits"), $"{runtime}");
            Assert.AreEqual(runtime == TrainingRuntime.AlignerKernels, model.Graph.Nodes.Any(node => node.OpType == KernelOperators.QuantisedProduct), $"{runtime}");
        }
    }

    /// <summary>Exports of an older opset, and those that use none of ONNX Runtime's own operators.</summary>
    [TestMethod]
    public void OperatorSets_AreRaisedToWhatTheGraphUses()
    {
        OnnxModel older = Build(TinyDecoder.Text.With(Opset21, "[\"\" : 17, \"com.microsoft\" : 1]"), new TrainingGraphOptions());
        Assert.AreEqual(21, older.Opset());
        AssertSame(Build(TinyDecoder.Text, new TrainingGraphOptions()), older);
        string standard = TinyDecoder.Text.With(Opset21, "[\"\" : 23]");
        foreach (string layer in new[] { "1", "2" })
        {
            string present = layer == "1" ? "present_key" : "present2";
            standard = standard.With($"a{layer}, {present} = com.microsoft.GroupQueryAttention <num_heads = 2, kv_num_heads = 1, do_rotary = 1> (q{layer}, k{layer}, v{layer}, past_key, past_value, lengths, total, cosines, sines)",
                $"a{layer} = Attention <q_num_heads = 2, kv_num_heads = 1, is_causal = 1> (q{layer}, k{layer}, v{layer})");
        }
        OnnxModel model = Build(standard.With(", float[b, 1, all, 16] present_key", ""), new TrainingGraphOptions());
        Assert.AreEqual(1, model.Opset(Domains.Microsoft));
        using GraphRunner runner = new(model);
        Assert.AreNotEqual(0, Run(runner)["loss"][0]);
    }

    [TestMethod]
    public void AFloat16Model_IsTrainedInFloat32()
    {
        OnnxModel half = Build(TinyDecoder.Text.Replace("float[", "float16[", StringComparison.Ordinal), new TrainingGraphOptions());
        // Weights differ by the rounding of float16.
        AssertSame(Build(TinyDecoder.Text, new TrainingGraphOptions()), half, tolerance: 0.05);
    }

    [TestMethod]
    [DataRow(TrainingGraphKind.Gradient, "attention_mask input_ids target_ids target_positions target_weights aligner.gates aligner.tokens", "loss target_log_probabilities aligner.tokens_gradient aligner.gates_gradient")]
    [DataRow(TrainingGraphKind.Evaluation, "attention_mask input_ids target_ids target_positions target_weights aligner.gates aligner.tokens", "loss target_log_probabilities")]
    [DataRow(TrainingGraphKind.Logits, "attention_mask input_ids aligner.gates aligner.tokens", "logits")]
    public void AGraph_ReadsAndGivesWhatItsKindNeeds(TrainingGraphKind kind, string inputs, string outputs)
    {
        OnnxModel model = TrainingGraph.Build(TinyDecoder.Load(TinyDecoder.Text), kind, startLayer: 0, tokens: 1);
        CollectionAssert.AreEquivalent(inputs.Split(' '), model.Graph.Inputs.Select(input => input.Name).ToArray(), "the key/value cache is not read");
        CollectionAssert.AreEqual(outputs.Split(' '), model.Graph.Outputs.Select(output => output.Name).ToArray());
        int nodes = model.Graph.Nodes.Count;
        model.Graph.RemoveUnused();
        Assert.AreEqual(nodes, model.Graph.Nodes.Count, "nothing is computed in vain");
    }

    [TestMethod]
    [DataRow(4)]
    [DataRow(10)]
    public void Evaluation_GivesTheLossOfTheGradientGraph(int piece)
    {
        TrainingGraphOptions options = new() { VocabularyPiece = piece };
        using GraphRunner both = new(Build(Quantised, options));
        using GraphRunner loss = new(TrainingGraph.Build(TinyDecoder.Load(Quantised), TrainingGraphKind.Evaluation, startLayer: 0, tokens: 2, options));
        IReadOnlyDictionary<string, float[]> expected = Run(both);
        IReadOnlyDictionary<string, float[]> found = Run(loss);
        Closeness.AssertClose(expected["loss"], found["loss"], Tolerance, "loss");
        Closeness.AssertClose(expected["target_log_probabilities"], found["target_log_probabilities"], Tolerance, "log-probabilities");
    }

    /// <summary>log softmax of the logits of the places before the targets.</summary>
    [TestMethod]
    public void TargetLogProbabilities_AreThoseOfTheLogits()
    {
        using GraphRunner loss = new(Build(TinyDecoder.Text, new TrainingGraphOptions()));
        using GraphRunner every = new(TrainingGraph.Build(TinyDecoder.Load(TinyDecoder.Text), TrainingGraphKind.Logits, startLayer: 0, tokens: 2));
        float[] logits = Run(every)["logits"];
        Assert.HasCount(2 * 5 * TinyDecoder.Words, logits);
        int[] positions = [1, 2, 3, 5, 7];
        int[] ids = [1, 0, 9, 2, 5];
        double[] weights = [0.5, 0.2, 0.1, 0.7, 0.3];
        double[] expected = [.. positions.Zip(ids, (position, id) =>
            logits[(position * TinyDecoder.Words) + id] - Math.Log(logits.Skip(position * TinyDecoder.Words).Take(TinyDecoder.Words).Sum(logit => Math.Exp(logit))))];
        IReadOnlyDictionary<string, float[]> found = Run(loss);
        Closeness.AssertClose(Array.ConvertAll(expected, number => (float)number), found["target_log_probabilities"], Tolerance, "log-probabilities");
        Assert.AreEqual(-expected.Zip(weights, (p, weight) => p * weight).Sum(), found["loss"][0], Tolerance);
    }

    [TestMethod]
    public void TheBaseModel_StaysAsItIs()
    {
        OnnxModel model = TinyDecoder.Load(TinyDecoder.Text);
        byte[] before = model.ToBytes();
        TrainingGraph.Build(model, TrainingGraphKind.Gradient, startLayer: 0, tokens: 1);
        CollectionAssert.AreEqual(before, model.ToBytes());
    }

    [TestMethod]
    [DataRow(0, 0, AttentionReading.Gated, DisplayName = "no token")]
    [DataRow(-1, 1, AttentionReading.Gated, DisplayName = "a layer below the first")]
    [DataRow(TinyDecoder.Layers, 1, AttentionReading.Gated, DisplayName = "a layer above the last")]
    [DataRow(1, 1, AttentionReading.Concat, DisplayName = "concat attention from another layer than the first")]
    public void TokensOrLayersOutOfRange_AreRefused(int startLayer, int tokens, AttentionReading attention) => Assert.ThrowsExactly<ArgumentOutOfRangeException>(() =>
        TrainingGraph.Build(TinyDecoder.Load(TinyDecoder.Text), TrainingGraphKind.Gradient, startLayer, tokens, new TrainingGraphOptions { Attention = attention }));

    [TestMethod]
    public void NoModel_IsRefused() => Assert.ThrowsExactly<ArgumentNullException>(() => TrainingGraph.Build(null!, TrainingGraphKind.Gradient, startLayer: 0, tokens: 1));

    [TestMethod]
    public void Sequences_CanBePackedWhereMasksAreOurOwn() => Assert.IsTrue(TrainingGraph.CanPack(TinyDecoder.Load(TinyDecoder.Text)));

    private static OnnxModel Build(string text, TrainingGraphOptions options, int tokens = 2) =>
        TrainingGraph.Build(TinyDecoder.Load(text), TrainingGraphKind.Gradient, startLayer: 0, tokens, options);

    private static IReadOnlyDictionary<string, float[]> Run(GraphRunner runner, int tokens = 2)
    {
        float[][] at = Parameters(new Random(5), tokens, startLayer: 0);
        return TinyDecoder.Run(runner, at[0], at[1]);
    }

    private static void AssertSame(OnnxModel expected, OnnxModel found, double tolerance = Tolerance, int tokens = 2)
    {
        using GraphRunner first = new(expected);
        using GraphRunner second = new(found);
        IReadOnlyDictionary<string, float[]> wanted = Run(first, tokens);
        IReadOnlyDictionary<string, float[]> given = Run(second, tokens);
        foreach (string output in new[] { "loss", "target_log_probabilities", Tokens, Gates })
        {
            Closeness.AssertClose(wanted[output], given[output], tolerance, output);
        }
    }

    private static float[][] Parameters(Random random, int tokens, int startLayer) =>
        [RandomWeights.Numbers(random, tokens * TinyDecoder.Hidden, 2), RandomWeights.Numbers(random, (TinyDecoder.Layers - startLayer) * TinyDecoder.Heads, 1)];

    private static float[] Moved(float[] point, float[] direction, float step) => [.. point.Zip(direction, (a, b) => a + (step * b))];

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
