using AlignerOnnx.GraphRewrites.Injection;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>Families and exporters, one after another.</summary>
internal static class ExportCases
{
    private static readonly DecoderFacts Llama = new();
    private static readonly DecoderFacts Llama2 = new() { KeyValueHeads = 4 };
    private static readonly DecoderFacts Half = new() { Type = DataType.Float16 };
    private static readonly DecoderFacts MultiQuery = new() { KeyValueHeads = 1 };
    private static readonly DecoderFacts SmolLM3 = new() { LayersWithoutRotary = [1] };
    private static readonly DecoderFacts Mistral = new() { Window = 4 };
    private static readonly DecoderFacts Qwen2 = new() { HasBias = true };
    private static readonly DecoderFacts Qwen3 = new() { HeadSize = 32, RotatedSize = 32, HeadNorm = HeadNorm.PerHead };
    private static readonly DecoderFacts Phi4 = new() { HeadSize = 32, RotatedSize = 16 };
    private static readonly DecoderFacts Gemma2 = new() { Norms = NormPlaces.Both, SoftCap = 20, Scale = 0.2f, EmbeddingScale = 5.5f, Window = 4 };
    private static readonly DecoderFacts Gemma3 = new() { Norms = NormPlaces.Both, HeadNorm = HeadNorm.PerHead, Scale = 0.2f, EmbeddingScale = 5.5f, Window = 4, RotaryBase = (10000, 1000000) };
    private static readonly DecoderFacts Granite = new() { Scale = 0.1f, EmbeddingScale = 3, ResidualMultiplier = 0.3f, LogitScale = 0.25f };
    private static readonly DecoderFacts OLMo2 = new() { Norms = NormPlaces.Behind, HeadNorm = HeadNorm.Whole };
    private static readonly DecoderFacts Phi2 = new() { LayerNorm = true, IsParallel = true, HasBias = true, HasOutputBias = true, HeadSize = 32, RotatedSize = 16, KeyValueHeads = 4 };
    private static readonly DecoderFacts OLMo = new() { LayerNorm = true };
    private static readonly DecoderFacts Hunyuan = new() { HeadNorm = HeadNorm.PerHead, NormalisesRotated = true };
    private static readonly DecoderFacts GptOss = new() { HasSinks = true, HasBias = true, HasOutputBias = true, Window = 4 };
    private static readonly DecoderFacts LoRA = new() { LoRARank = 2 };

    public static IEnumerable<ExportCase> All => Builder().Concat(Storages()).Concat(Decomposed()).Concat(Standard());

    private static IEnumerable<ExportCase> Builder()
    {
        (string Name, DecoderFacts Facts)[] families =
        [
            ("llama3", Llama), ("llama2", Llama2), ("multi-query", MultiQuery), ("smollm3", SmolLM3), ("mistral", Mistral), ("qwen2", Qwen2), ("qwen3", Qwen3), ("phi4", Phi4), ("gemma2", Gemma2), ("gemma3", Gemma3),
            ("granite", Granite), ("olmo2", OLMo2), ("phi2", Phi2), ("olmo", OLMo), ("interleaved", Llama with { InterleavedRotary = true }), ("lora", LoRA),
        ];
        foreach ((string name, DecoderFacts facts) in families)
        {
            yield return ExportCase.Builder($"builder {name}", facts);
            yield return ExportCase.Builder($"builder {name} rotary outside", facts, new BuilderOptions { RotatesInside = false });
            if (name is "llama3" or "qwen3" or "gemma2")
            {
                yield return ExportCase.Builder($"builder {name} old", facts, new BuilderOptions { IsOld = true });
                yield return ExportCase.Builder($"builder {name} separate", facts, new BuilderOptions { IsPacked = false });
            }
            if (facts is { Window: < 0, SoftCap: 0 })
            {
                yield return ExportCase.Builder($"builder {name} multi-head", facts, new BuilderOptions { MultiHead = true });
            }
        }
        yield return ExportCase.Builder("builder hunyuan rotary outside", Hunyuan, new BuilderOptions { RotatesInside = false });
        yield return ExportCase.Builder("builder hunyuan multi-head", Hunyuan, new BuilderOptions { MultiHead = true });
        yield return ExportCase.Builder("builder sinks", GptOss);
        yield return ExportCase.Builder("builder smooth softmax", Llama with { SmoothSoftmax = true });
        yield return ExportCase.Builder("builder score bias", Llama, new BuilderOptions { HasScoreBias = true });
        yield return ExportCase.Builder("builder fused gate and up", Llama, new BuilderOptions { FusesGateUp = true });
        yield return ExportCase.Builder("builder pruned head", Llama, new BuilderOptions { PrunesHead = true }) with { IsPruned = true };
        yield return ExportCase.Builder("builder hidden states", Llama, new BuilderOptions { GivesHiddenStates = true });
        yield return ExportCase.Builder("builder caches of an If", Llama, new BuilderOptions { PicksCaches = true });
        yield return ExportCase.Builder("builder caches of an If, partial", Phi4, new BuilderOptions { PicksCaches = true });
        yield return ExportCase.Builder("builder caches of an If, outside", Llama, new BuilderOptions { PicksCaches = true, RotatesInside = false });
        yield return ExportCase.Builder("builder fed LoRA", Llama, new BuilderOptions { FeedsOutputLoRA = true });
        foreach ((string name, DecoderFacts facts) in families.Where(family => family.Name is "llama3" or "qwen2" or "qwen3" or "gemma3"))
        {
            DecoderFacts half = facts with { Type = DataType.Float16 };
            yield return ExportCase.Builder($"builder float16 {name}", half) with { Tolerance = 0.05 };
            yield return ExportCase.Builder($"builder float16 {name} rotary outside", half, new BuilderOptions { RotatesInside = false }) with { Tolerance = 0.05 };
            yield return ExportCase.Builder($"builder float16 {name} widened", half, new BuilderOptions { RotatesInside = false, Widens = true }) with { Tolerance = 0.05 };
            if (facts.Window < 0)
            {
                yield return ExportCase.Builder($"builder float16 {name} multi-head", half, new BuilderOptions { MultiHead = true }) with { Tolerance = 0.05 };
            }
        }
    }

    private static IEnumerable<ExportCase> Storages()
    {
        IEnumerable<WeightStorage> storages =
        [
            .. from size in new[] { 16, 32, 64, 128, 256 } from zeros in new[] { ZeroPoints.None, ZeroPoints.Packed } select new NBitsStorage { BlockSize = size, ZeroPoints = zeros },
            new NBitsStorage { ZeroPoints = ZeroPoints.Numbers }, new NBitsStorage { Bits = 8 }, new NBitsStorage { Bits = 8, ZeroPoints = ZeroPoints.Packed }, new NBitsStorage { Bits = 2, ZeroPoints = ZeroPoints.Packed },
            new NBitsStorage { HasGroupIndex = true, BlockSize = 16 }, new NBitsStorage { BiasInside = true },
            new MixedStorage(new NBitsStorage { ZeroPoints = ZeroPoints.Packed }, new NBitsStorage { Bits = 8, ZeroPoints = ZeroPoints.Packed }),
        ];
        foreach (WeightStorage storage in storages)
        {
            bool mixed = storage is MixedStorage or BlockStorage { HasGroupIndex: true };
            yield return ExportCase.Builder($"builder qwen2 {storage}", Qwen2, new BuilderOptions { IsPacked = !mixed }, storage);
            if (storage is BlockStorage { BlockSize: 32 })
            {
                yield return ExportCase.Builder($"builder qwen3 old {storage}", Qwen3, new BuilderOptions { IsOld = true, IsPacked = !mixed }, storage);
            }
        }
        foreach (WeightStorage storage in new WeightStorage[]
        {
            new DequantizedStorage(), new DequantizedStorage { ZeroPoints = ZeroPoints.Packed }, new DequantizedStorage { Bits = 8 }, new DequantizedStorage { Bits = 8, ZeroPoints = ZeroPoints.Packed },
            new DequantizedStorage { Transposed = false }, new DequantizedStorage { Transposed = false, ZeroPoints = ZeroPoints.Packed, BlockSize = 16 },
        })
        {
            yield return ExportCase.Builder($"builder qwen2 {storage}", Qwen2, storage: storage) with { Layouts = [SlotLayout.OneToken, SlotLayout.ManyToken, SlotLayout.Prefix], Tolerance = 2e-2 };
        }
        foreach (PlainForm form in Enum.GetValues<PlainForm>())
        {
            yield return ExportCase.Builder($"builder qwen2 {form}", Qwen2, storage: new PlainStorage { Form = form }) with
            {
                // Its head runs on rows too, and the loss picks rows itself.
                WhyNoTraining = form == PlainForm.Gemm ? "The output head is not a projection" : null,
            };
            yield return ExportCase.Decomposed($"decomposed qwen2 {form}", Qwen2, storage: new PlainStorage { Form = form });
            yield return ExportCase.Decomposed($"decomposed qwen2 packed {form}", Qwen2, new DecomposedOptions { IsPacked = true }, new PlainStorage { Form = form });
            yield return ExportCase.Standard($"standard qwen2 {form}", Qwen2, storage: new PlainStorage { Form = form });
        }
        yield return ExportCase.Decomposed("decomposed qwen2 int4", Qwen2, storage: new NBitsStorage { ZeroPoints = ZeroPoints.Packed });
        yield return ExportCase.Standard("standard qwen2 int4", Qwen2, storage: new NBitsStorage { ZeroPoints = ZeroPoints.Packed });
    }

    private static IEnumerable<ExportCase> Decomposed()
    {
        (string Name, DecoderFacts Facts)[] families =
        [
            ("llama3", Llama), ("llama2", Llama2), ("multi-query", MultiQuery), ("smollm3", SmolLM3), ("mistral", Mistral), ("qwen3", Qwen3), ("phi4", Phi4), ("gemma2", Gemma2), ("gemma3", Gemma3),
            ("granite", Granite), ("olmo2", OLMo2), ("olmo", OLMo), ("hunyuan", Hunyuan), ("lora", LoRA),
        ];
        foreach ((string name, DecoderFacts facts) in families)
        {
            yield return ExportCase.Decomposed($"optimum {name}", facts, new DecomposedOptions { Opset = 14, ComputesSizes = true });
            yield return ExportCase.Decomposed($"dynamo {name}", facts, new DecomposedOptions { Opset = 18, Scale = ScaleForm.BothSides, Mask = MaskForm.AddGuarded, Rms = RmsForm.ReciprocalMul });
            yield return ExportCase.Decomposed($"torch {name}", facts, new DecomposedOptions { Rms = RmsForm.OneOverSqrt, Scale = ScaleForm.Div, Rotary = RotaryForm.Split, Mask = MaskForm.Where, IsPacked = facts.LoRARank == 0 });
        }
        foreach (CoreForm core in new[] { CoreForm.Standard, CoreForm.StandardShared, CoreForm.MultiHead })
        {
            foreach ((string name, DecoderFacts facts) in families.Where(family => core != CoreForm.MultiHead || family.Facts.SoftCap == 0))
            {
                yield return ExportCase.Decomposed($"{core} behind elementary operators {name}", facts, new DecomposedOptions { Core = core, Opset = 23, IsPacked = facts.LoRARank == 0 });
            }
            foreach ((string name, DecoderFacts facts) in families.Where(family => family.Name is "llama3" or "phi4" or "gemma3"))
            {
                yield return ExportCase.Decomposed($"{core} behind elementary operators, split {name}", facts, new DecomposedOptions { Core = core, Opset = 23, Rotary = RotaryForm.Split, ComputesSizes = true, Mask = core == CoreForm.MultiHead ? MaskForm.Add : MaskForm.Where, Rms = RmsForm.Operator });
            }
            yield return ExportCase.Decomposed($"{core} behind halves", Llama, new DecomposedOptions { Core = core, Opset = 23, Rotary = RotaryForm.Halves });
            yield return ExportCase.Decomposed($"{core} behind pairs", Llama with { InterleavedRotary = true }, new DecomposedOptions { Core = core, Opset = 23, Rotary = RotaryForm.Pairs });
            yield return ExportCase.Decomposed($"{core} behind partial halves", Phi4, new DecomposedOptions { Core = core, Opset = 23, Rotary = RotaryForm.Halves });
            yield return ExportCase.Decomposed($"{core} behind parts that are split off", Phi4, new DecomposedOptions { Core = core, Opset = 23, Rotary = RotaryForm.Split, CutsInSequence = true });
            yield return ExportCase.Decomposed($"{core} behind parts that are cut off", Phi4, new DecomposedOptions { Core = core, Opset = 23, CutsInSequence = true });
            yield return ExportCase.Decomposed($"{core} behind tiles", Llama, new DecomposedOptions { Core = core, Opset = 23, Repeat = RepeatForm.Tile });
            yield return ExportCase.Decomposed($"{core} behind picked heads", Llama, new DecomposedOptions { Core = core, Opset = 23, Repeat = RepeatForm.Gather });
        }
        foreach (RepeatForm form in Enum.GetValues<RepeatForm>())
        {
            yield return ExportCase.Decomposed($"decomposed repeat {form}", Llama, new DecomposedOptions { Repeat = form });
        }
        foreach (ScaleForm form in Enum.GetValues<ScaleForm>())
        {
            yield return ExportCase.Decomposed($"decomposed scale {form}", Gemma2, new DecomposedOptions { Scale = form, Opset = 18 });
        }
        foreach (RotaryForm form in Enum.GetValues<RotaryForm>())
        {
            yield return ExportCase.Decomposed($"decomposed rotary {form}", Llama with { InterleavedRotary = form == RotaryForm.Pairs }, new DecomposedOptions { Rotary = form });
            yield return ExportCase.Decomposed($"decomposed partial rotary {form}", Phi4 with { InterleavedRotary = form == RotaryForm.Pairs }, new DecomposedOptions { Rotary = form });
        }
        foreach (SinkForm form in Enum.GetValues<SinkForm>())
        {
            yield return ExportCase.Decomposed($"decomposed sinks {form}", GptOss with { Window = -1 }, new DecomposedOptions { Sinks = form, Rotary = RotaryForm.Halves });
        }
        yield return ExportCase.Decomposed("optimum sinks, window", GptOss, new DecomposedOptions { Opset = 14, ComputesSizes = true });
        yield return ExportCase.Decomposed("dynamo sinks, window", GptOss, new DecomposedOptions { Opset = 18, Mask = MaskForm.AddGuarded, Rms = RmsForm.ReciprocalMul });
        yield return ExportCase.Decomposed("torch sinks, window", GptOss, new DecomposedOptions { Rms = RmsForm.OneOverSqrt, Scale = ScaleForm.Div, Rotary = RotaryForm.Split, Mask = MaskForm.Where, IsPacked = true });
        yield return ExportCase.Decomposed("decomposed sinks, groups in five dimensions", GptOss with { Window = -1 }, new DecomposedOptions { Repeat = RepeatForm.Broadcast });
        yield return ExportCase.Decomposed("decomposed sinks, flattened", GptOss with { Window = -1 }, new DecomposedOptions { Flattens = true });
        yield return ExportCase.Decomposed("decomposed sinks, soft-cap", Gemma2 with { HasSinks = true }, new DecomposedOptions());
        yield return ExportCase.Decomposed("decomposed sinks, float16 widened", GptOss with { Type = DataType.Float16, Window = -1 }, new DecomposedOptions { Widens = true }) with { Tolerance = 0.05 };
        yield return ExportCase.Decomposed("decomposed internlm2", Llama, new DecomposedOptions { IsPackedByGroup = true, ComputesSizes = true });
        yield return ExportCase.Decomposed("decomposed internlm2, biased", Qwen2, new DecomposedOptions { IsPackedByGroup = true, Opset = 18, Rms = RmsForm.ReciprocalMul });
        yield return ExportCase.Decomposed("decomposed internlm2, one group", MultiQuery, new DecomposedOptions { IsPackedByGroup = true });
        yield return ExportCase.Decomposed("decomposed internlm2 int4", Llama, new DecomposedOptions { IsPackedByGroup = true }, new NBitsStorage { ZeroPoints = ZeroPoints.Packed });
        yield return ExportCase.Decomposed("decomposed gpt-neox, packed by head", Llama2 with { LayerNorm = true, RotatedSize = 8 }, new DecomposedOptions { IsPackedByGroup = true });
        yield return ExportCase.Decomposed("Standard behind internlm2", Llama, new DecomposedOptions { IsPackedByGroup = true, Core = CoreForm.Standard, Opset = 23 });
        yield return ExportCase.Decomposed("StandardShared behind internlm2", Llama, new DecomposedOptions { IsPackedByGroup = true, Core = CoreForm.StandardShared, Opset = 23 });
        yield return ExportCase.Decomposed("MultiHead behind internlm2", Llama, new DecomposedOptions { IsPackedByGroup = true, Core = CoreForm.MultiHead });
        yield return ExportCase.Decomposed("decomposed smooth softmax", Llama with { SmoothSoftmax = true }, new DecomposedOptions());
        yield return ExportCase.Decomposed("decomposed partial rotary, split off before heads", Phi4, new DecomposedOptions { Rotary = RotaryForm.Split, CutsInSequence = true });
        yield return ExportCase.Decomposed("decomposed flattened", Llama2, new DecomposedOptions { Flattens = true, ComputesSizes = true });
        yield return ExportCase.Decomposed("decomposed flattened groups", Llama, new DecomposedOptions { Flattens = true });
        yield return ExportCase.Decomposed("decomposed without cache", Llama, new DecomposedOptions { HasCache = false });
        yield return ExportCase.Decomposed("decomposed rms operator", Qwen3, new DecomposedOptions { Rms = RmsForm.Operator, Opset = 23 });
        yield return ExportCase.Decomposed("decomposed float16", Half, new DecomposedOptions()) with { Tolerance = 0.05 };
        yield return ExportCase.Decomposed("decomposed float16 widened", Half, new DecomposedOptions { Widens = true }) with { Tolerance = 0.05 };
        yield return ExportCase.Decomposed("decomposed float16 widened qwen3", Qwen3 with { Type = DataType.Float16 }, new DecomposedOptions { Widens = true, Opset = 18 }) with { Tolerance = 0.05 };
        yield return ExportCase.Decomposed("decomposed widened float32", Llama, new DecomposedOptions { Widens = true });
    }

    private static IEnumerable<ExportCase> Standard()
    {
        (string Name, DecoderFacts Facts)[] families =
        [
            ("llama3", Llama), ("llama2", Llama2), ("multi-query", MultiQuery), ("smollm3", SmolLM3), ("qwen2", Qwen2), ("qwen3", Qwen3), ("phi4", Phi4),
            ("gemma2", Gemma2 with { Window = -1 }), ("gemma3", Gemma3 with { Window = -1 }), ("granite", Granite), ("lora", LoRA),
        ];
        foreach ((string name, DecoderFacts facts) in families)
        {
            yield return ExportCase.Standard($"standard {name}", facts);
            yield return ExportCase.Standard($"standard {name} flat, cache inside", facts, new StandardOptions { IsFlat = true, CachesInside = true, IsCausal = true });
            yield return ExportCase.Standard($"standard {name} cache inside, truth mask", facts, new StandardOptions { CachesInside = true, HasTruthMask = true });
        }
        yield return ExportCase.Standard("standard repeated", Llama, new StandardOptions { Repeats = true });
        yield return ExportCase.Standard("standard without cache", Llama, new StandardOptions { HasCache = false, IsCausal = true });
        yield return ExportCase.Standard("standard opset 24", Llama, new StandardOptions { Opset = 24 });
        yield return ExportCase.Standard("standard interleaved", Llama with { InterleavedRotary = true });
        yield return ExportCase.Standard("standard scores", Llama, new StandardOptions { GivesScores = true });
    }
}
