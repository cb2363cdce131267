using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>A decoder as one exporter writes it.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Facts">What it computes.</param>
/// <param name="Storage">How weights are stored.</param>
/// <param name="Write">The exporter.</param>
internal sealed record ExportCase(string Name, DecoderFacts Facts, WeightStorage Storage, Func<DecoderFacts, DecoderWeights, WeightStorage, Exporter> Write)
{
    private const int Seed = 31;

    /// <summary>The layouts that it takes.</summary>
    public IReadOnlyList<SlotLayout> Layouts { get; init; } = SlotLayouts.All;

    /// <summary>Whether it can be trained; else a part of the reason why not.</summary>
    public string? WhyNoTraining { get; init; }

    /// <summary>How far ONNX Runtime may be from double precision.</summary>
    public double Tolerance { get; init; } = 2e-4;

    /// <summary>Whether logits are those of the last position only.</summary>
    public bool IsPruned { get; init; }

    public static ExportCase Builder(string name, DecoderFacts facts, BuilderOptions? options = null, WeightStorage? storage = null) =>
        new(name, facts, storage ?? new PlainStorage { Type = facts.Type }, (f, w, s) => new ModelBuilderExporter(f, w, s, options ?? new BuilderOptions()));

    public static ExportCase Decomposed(string name, DecoderFacts facts, DecomposedOptions? options = null, WeightStorage? storage = null) =>
        new(name, facts, storage ?? new PlainStorage { Type = facts.Type }, (f, w, s) => new DecomposedExporter(f, w, s, options ?? new DecomposedOptions()));

    public static ExportCase Standard(string name, DecoderFacts facts, StandardOptions? options = null, WeightStorage? storage = null) =>
        new(name, facts, storage ?? new PlainStorage { Type = facts.Type }, (f, w, s) => new StandardExporter(f, w, s, options ?? new StandardOptions()));

    public (OnnxModel Model, ReferenceDecoder Reference) Export()
    {
        DecoderWeights weights = DecoderWeights.Draw(Facts, Storage, Seed);
        return (Write(Facts, weights, Storage).Export(), new ReferenceDecoder(Facts, weights));
    }

    public override string ToString() => Name;
}
