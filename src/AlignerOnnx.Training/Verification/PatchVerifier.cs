using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Training;

/// <summary>
/// Proves a patched model by running it: without an adapter it is the base model bit for bit; with one, its slots give what the literal form of the method gives, and so
/// does every other layout. These comparisons use float32 activations on both sides, because int8 activations (accuracy level 4) amplify differences in the last bit.
/// </summary>
public sealed class PatchVerifier
{
    private const int MostRows = 2;
    private const int Length = 24;
    private const int DecodeSteps = 4;

    private readonly OnnxModel _patched;
    private readonly OnnxModel _base;
    private readonly string? _baseFile;
    private readonly SlotLayout _layout;
    private readonly IReadOnlyList<AttentionSite> _sites;
    private readonly DeterministicRandom _random;
    private long[] _ids;
    private int _rows = MostRows;
    private readonly ComputeDevice _device;

    /// <summary>Prepares a verification.</summary>
    /// <param name="patched">The patched model.</param>
    /// <param name="against">The base model it was made from; null takes the one that aligner.json names, or where that is gone the patched model without its slots.</param>
    /// <param name="seed">The seed of token ids and random adapters.</param>
    /// <param name="device">Where the models compute; the form that is trained, which they are compared with, computes on the processor.</param>
    /// <exception cref="ModelRefusedException">A model cannot be read, or the first has no slots.</exception>
    public PatchVerifier(string patched, string? against, ulong seed, ComputeDevice device = ComputeDevice.Cpu)
    {
        _device = device;
        _patched = ModelLoader.Load(patched);
        _layout = SlotLayouts.Of(_patched)
            ?? throw new ModelRefusedException("The model is not patched", patched, "no slots", "a folder that `aligner patch` made", "patch it first, or swap the two models");
        _baseFile = against ?? ModelPatcher.BaseFileOf(patched);
        _base = SlotLayouts.WithoutSlots(_baseFile is null ? _patched : ModelLoader.Load(_baseFile));
        _sites = RecognisedModel.Of(_base).RequireSites();
        RequireSameArchitecture(patched);
        _random = new DeterministicRandom(seed);
        long vocabulary = Vocabulary();
        _ids = [.. Enumerable.Range(0, MostRows * Length).Select(_ => (long)(_random.NextDouble() * vocabulary))];
    }

    /// <summary>Runs the verification.</summary>
    /// <param name="adapters">Adapters to verify besides random ones: name and adapter.</param>
    /// <param name="anyBase">Accept adapters of another quantisation.</param>
    /// <exception cref="AdapterRefusedException">An adapter is for another model, or no layout takes it.</exception>
    public PatchVerification Verify(IReadOnlyList<(string Name, Adapter Adapter)> adapters, bool anyBase = false)
    {
        ArgumentNullException.ThrowIfNull(adapters);
        foreach ((_, Adapter adapter) in adapters)
        {
            adapter.RequireFits(_sites, anyBase);
        }
        (bool equal, double largest) = BaseIsKept();
        LayoutComparison comparison = new(_patched, _base, _sites, _ids, _rows, _device);
        AdapterVerification[] found = [.. RandomAdapters().Concat(adapters).SelectMany(pair => comparison.Compare(pair.Name, pair.Adapter))];
        AdapterVerification worst = found.MaxBy(verification => verification.MaxDifference)!;
        return new PatchVerification(SlotLayouts.NameOf(_layout), _baseFile, equal, worst.MaxDifference, $"{worst.Adapter}, {worst.Layout} against {worst.Against}: {worst.Where}",
            Tolerance(largest), found);
    }

    /// <summary>
    /// Float32 sums in another order differ in the last bits; the graph's own type may be coarser: a unit of its last place, over all layers. Models whose logits are small
    /// are held to less, or what an adapter changes there would pass for a difference.
    /// </summary>
    private double Tolerance(double largestLogit) => _sites[0].ElementType switch
    {
        DataType.Float16 => largestLogit / 64,
        DataType.Bfloat16 => largestLogit / 8,
        _ => Math.Min(1e-3, largestLogit / 1000),
    };

    /// <summary>Token ids below the declared width of the logits are drawn; where it is not declared, few ids are sure to exist.</summary>
    private long Vocabulary() => _base.Graph.Find("logits")?.Type?.TensorType?.Shape?.Dim is [.., { DimValue: > 1 } width] ? width.DimValue : 100;

    private (bool Equal, double LargestLogit) BaseIsKept()
    {
        using DecoderSession patched = new(_patched, device: _device);
        using DecoderSession original = new(_base, device: _device);
        DecoderSession.Step b = RunWithTheRowsThatItTakes(original);
        DecoderSession.Step a = patched.Run(_ids, _rows);
        double largest = b.Logits.Max(Math.Abs);
        bool equal = LogitsComparison.BitwiseEqual(a.Logits, b.Logits);
        for (int step = 0; step < DecodeSteps && equal && DecoderSession.CanStep(_sites); step++)
        {
            long[] next = [.. Enumerable.Range(0, _rows).Select(row => _ids[(row * Length) + step])];
            (DecoderSession.Step pastA, DecoderSession.Step pastB) = (a, b);
            a = patched.Run(next, _rows, pastA);
            b = original.Run(next, _rows, pastB);
            pastA.Dispose();
            pastB.Dispose();
            equal = LogitsComparison.BitwiseEqual(a.Logits, b.Logits);
        }
        a.Dispose();
        b.Dispose();
        return (equal, largest);
    }

    /// <summary>Some exports take one row alone.</summary>
    private DecoderSession.Step RunWithTheRowsThatItTakes(DecoderSession original)
    {
        try
        {
            return original.Run(_ids, _rows);
        }
        catch (ModelRefusedException)
        {
            _ids = _ids[..Length];
            _rows = 1;
            return original.Run(_ids, _rows);
        }
    }

    private void RequireSameArchitecture(string patched)
    {
        Architecture found = Architecture.Of(RecognisedModel.Of(SlotLayouts.WithoutSlots(_patched)).RequireSites(), patched);
        Architecture expected = Architecture.Of(_sites, _base.Path ?? patched);
        if (found != expected)
        {
            throw new ModelRefusedException("The patched model was made from another base model", patched, found.InWords(), $"{expected.InWords()}, as {_baseFile ?? patched} has it", "name its base model with --against");
        }
    }

    /// <summary>Adapters that the layout takes: one token, several.</summary>
    private IEnumerable<(string Name, Adapter Adapter)> RandomAdapters() => _layout switch
    {
        SlotLayout.OneToken => [RandomAdapter(1, AdapterConfig.GatedAttention)],
        SlotLayout.Prefix => [RandomAdapter(3, AdapterConfig.ConcatAttention)],
        _ => [RandomAdapter(1, AdapterConfig.GatedAttention), RandomAdapter(3, AdapterConfig.GatedAttention)],
    };

    /// <summary>Gates of the size that trained adapters have, so that the comparison is of a change that matters.</summary>
    private (string Name, Adapter Adapter) RandomAdapter(int tokens, string attention)
    {
        int startLayer = attention == AdapterConfig.ConcatAttention ? 0 : Math.Min(2, _sites.Count - 1);
        AdapterConfig config = Adapter.Describe(_sites, "random", startLayer, tokens) with { Attention = attention };
        string name = $"random, {(tokens == 1 ? "1 token" : $"{tokens} tokens")}";
        return (name, new Adapter(config, Gaussians(tokens * config.HiddenSize, 1), Gaussians(config.AdaptedLayers * config.NumHeads, 0.05f)));
    }

    private float[] Gaussians(int count, float deviation) => [.. Enumerable.Range(0, count).Select(_ => (float)_random.NextNormal() * deviation)];
}
