using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>
/// Proves a patched model by running it: without an adapter it is the base model bit for bit; with one, the folded vectors give what the literal form of the
/// method gives. The second comparison uses float32 activations on both sides, because int8 activations (accuracy level 4) amplify differences in the last bit.
/// </summary>
public sealed class PatchVerifier
{
    private const int Rows = 2;
    private const int Length = 24;
    private const int DecodeSteps = 4;
    private const double Tolerance = 1e-3;

    private readonly OnnxModel _patched;
    private readonly OnnxModel _base;
    private readonly IReadOnlyList<AttentionSite> _sites;
    private readonly DeterministicRandom _random;
    private readonly long[] _ids;

    /// <summary>Prepares a verification.</summary>
    /// <param name="patched">The patched model.</param>
    /// <param name="against">The base model it was made from.</param>
    /// <param name="seed">The seed of token ids and random adapters.</param>
    /// <exception cref="ModelRefusedException">A model cannot be read, or the first has no slots.</exception>
    public PatchVerifier(string patched, string against, ulong seed)
    {
        _patched = ModelLoader.Load(patched);
        if (_patched.Graph.Find("aligner.delta") is null)
        {
            throw new ModelRefusedException("The model is not patched", patched, "no slot 'aligner.delta'", "a folder that `aligner patch` made", "patch it first, or swap the two models");
        }
        _base = ModelLoader.Load(against);
        _sites = RecognisedModel.Of(_base).RequireSites();
        _random = new DeterministicRandom(seed);
        long vocabulary = Vocabulary(_base);
        _ids = [.. Enumerable.Range(0, Rows * Length).Select(_ => (long)(_random.NextDouble() * vocabulary))];
    }

    /// <summary>Runs the verification.</summary>
    /// <param name="adapters">Adapters to verify besides a random one: name and adapter.</param>
    /// <param name="anyBase">Accept adapters of another quantisation.</param>
    public PatchVerification Verify(IReadOnlyList<(string Name, Adapter Adapter)> adapters, bool anyBase = false)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        foreach ((_, Adapter adapter) in adapters)
        {
            adapter.RequireFits(_sites, anyBase);
        }
        bool equal = BaseIsKept();
        AdapterVerification[] found = [.. adapters.Prepend(("random", RandomAdapter())).Select(pair => Compare(pair.Item1, pair.Item2))];
        AdapterVerification worst = found.MaxBy(verification => verification.MaxDifference)!;
        return new PatchVerification(equal, worst.MaxDifference, $"{worst.Adapter}: {worst.Where}", Tolerance, found);
    }

    /// <summary>Token ids below the declared width of the logits are drawn; where it is not declared, few ids are sure to exist.</summary>
    private static long Vocabulary(OnnxModel model) => model.Graph.Find("logits")?.Type?.TensorType?.Shape?.Dim is [.., { DimValue: > 1 } width] ? width.DimValue : 100;

    private bool BaseIsKept()
    {
        using DecoderSession patched = new(_patched);
        using DecoderSession original = new(_base);
        DecoderSession.Step a = patched.Run(_ids, Rows);
        DecoderSession.Step b = original.Run(_ids, Rows);
        bool equal = LogitsComparison.BitwiseEqual(a.Logits, b.Logits);
        for (int step = 0; step < DecodeSteps && equal; step++)
        {
            long[] next = [.. Enumerable.Range(0, Rows).Select(row => _ids[(row * Length) + step])];
            (DecoderSession.Step pastA, DecoderSession.Step pastB) = (a, b);
            a = patched.Run(next, Rows, pastA, Length + step);
            b = original.Run(next, Rows, pastB, Length + step);
            pastA.Dispose();
            pastB.Dispose();
            equal = LogitsComparison.BitwiseEqual(a.Logits, b.Logits);
        }
        a.Dispose();
        b.Dispose();
        return equal;
    }

    private AdapterVerification Compare(string name, Adapter adapter)
    {
        float[] folded = OneTokenFolding.Fold(_sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates);
        using OrtValue delta = OrtValue.CreateTensorValueFromMemory(folded, [1, _sites.Count, _sites[0].HiddenSize]);
        float[] portable = PortableLogits(adapter);
        float[] exact = DecoderLogits(WithFloatActivations(_patched), delta);
        float[] shipped = DecoderLogits(_patched, delta);
        float[] plain = DecoderLogits(WithFloatActivations(_patched), null);
        int vocabulary = portable.Length / _ids.Length;
        (double difference, int element) = LogitsComparison.Largest(portable, exact);
        int position = element / vocabulary;
        return new AdapterVerification(name, difference, LogitsComparison.Largest(exact, plain).Difference,
            $"row {position / Length}, position {position % Length}, token {element % vocabulary}",
            LogitsComparison.TopOneAgreement(portable, shipped, vocabulary), LogitsComparison.Divergence(portable, shipped, vocabulary));
    }

    private float[] DecoderLogits(OnnxModel model, OrtValue? delta)
    {
        using DecoderSession session = new(model);
        using DecoderSession.Step step = session.Run(_ids, Rows, delta: delta);
        return step.Logits;
    }

    private float[] PortableLogits(Adapter adapter)
    {
        OnnxModel graph = TrainingGraph.Build(_base, TrainingGraphKind.Logits, adapter.Config.StartLayer, adapter.Config.NumTokens);
        using SessionOptions options = new();
        options.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", Path.GetDirectoryName(Path.GetFullPath(_base.Path!))!);
        using InferenceSession session = new(graph.ToBytes(), options);
        using RunOptions run = new();
        using OrtValue ids = OrtValue.CreateTensorValueFromMemory(_ids, [Rows, Length]);
        using OrtValue mask = OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, _ids.Length).ToArray(), [Rows, Length]);
        using OrtValue tokens = OrtValue.CreateTensorValueFromMemory(adapter.Tokens.ToArray(), [adapter.Config.NumTokens, adapter.Config.HiddenSize]);
        using OrtValue gates = OrtValue.CreateTensorValueFromMemory(adapter.Gates.ToArray(), [adapter.Config.AdaptedLayers, adapter.Config.NumHeads]);
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, ["input_ids", "attention_mask", "aligner.tokens", "aligner.gates"], [ids, mask, tokens, gates], ["logits"]);
        return results[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Gates of the size that trained adapters have, so that the comparison is of a change that matters.</summary>
    private Adapter RandomAdapter()
    {
        int startLayer = Math.Min(2, _sites.Count - 1);
        AdapterConfig config = Adapter.Describe(_sites, "random", startLayer, 1);
        return new Adapter(config, Gaussians(config.HiddenSize, 1), Gaussians(config.AdaptedLayers * config.NumHeads, 0.05f));
    }

    private float[] Gaussians(int count, float deviation) => [.. Enumerable.Range(0, count).Select(_ => (float)_random.NextNormal() * deviation)];

    private static OnnxModel WithFloatActivations(OnnxModel model)
    {
        OnnxModel copy = model.Clone();
        foreach (Node node in copy.Graph.Nodes.Where(node => node.Is("MatMulNBits", Domains.Microsoft)))
        {
            node.Attributes.Set(NodeAttributes.Of("accuracy_level", 1L));
        }
        return copy;
    }
}
