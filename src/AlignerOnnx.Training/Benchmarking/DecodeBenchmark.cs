using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>What one decode step costs: base model, patched model, patched model with an adapter.</summary>
public static class DecodeBenchmark
{
    private const int PastLength = 128;

    /// <summary>Measures decode steps of one token behind 128 cached ones.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="rounds">Counted rounds.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    /// <returns>Patched against base, and patched with an adapter against base.</returns>
    public static (PairedResult Patched, PairedResult WithAdapter) Run(string model, int rounds, CancellationToken cancellation = default)
    {
        OnnxModel original = ModelLoader.Load(model);
        OnnxModel rewritten = original.Clone();
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(rewritten).RequireSites();
        SlotLayouts.Apply(rewritten, sites, SlotLayout.OneToken);
        float[] numbers = [.. Enumerable.Range(0, sites.Count * (int)sites[0].HiddenSize).Select(i => 0.01f * ((i % 7) - 3))];
        using SlotValues delta = new([new AdapterParameter(OneTokenInjection.Slot, sites[0].ElementType, [1, sites.Count, sites[0].HiddenSize], FloatEncoding.ToBytes(numbers, sites[0].ElementType))]);
        using DecoderSession baseSession = new(original);
        using DecoderSession controlSession = new(original);
        using DecoderSession patchedSession = new(rewritten);
        long[] prompt = [.. Enumerable.Range(0, PastLength).Select(i => (long)(i % 97) + 3)];
        using DecoderSession.Step basePast = baseSession.Run(prompt, 1);
        using DecoderSession.Step controlPast = controlSession.Run(prompt, 1);
        using DecoderSession.Step patchedPast = patchedSession.Run(prompt, 1);
        void Base() => baseSession.Run([5], 1, basePast).Dispose();
        void Control() => controlSession.Run([5], 1, controlPast).Dispose();
        void Patched() => patchedSession.Run([5], 1, patchedPast).Dispose();
        void Adapted() => patchedSession.Run([5], 1, patchedPast, delta).Dispose();
        return (PairedBenchmark.Run(Base, Control, Patched, rounds, warmUps: 12, cancellation), PairedBenchmark.Run(Base, Control, Adapted, rounds, warmUps: 12, cancellation));
    }
}
