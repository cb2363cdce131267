using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Exporters;

/// <summary>Where a layer normalises: before its blocks (LLaMA), on both sides of them (Gemma 2 and 3), or behind them (OLMo 2).</summary>
internal enum NormPlaces
{
    Before,
    Both,
    Behind,
}

/// <summary>Normalization of queries and keys: none, of each head (Qwen 3, Gemma 3), or of the whole projection (OLMo 2).</summary>
internal enum HeadNorm
{
    None,
    PerHead,
    Whole,
}

/// <summary>A small decoder of the LLaMA family: what it computes, whichever exporter writes it. The defaults are LLaMA 3.</summary>
internal sealed record DecoderFacts
{
    public const int Vocabulary = 40;
    public const int Context = 64;
    public const float Epsilon = 1e-5f;

    public int Hidden { get; init; } = 32;

    public int Layers { get; init; } = 2;

    public int Heads { get; init; } = 4;

    public int KeyValueHeads { get; init; } = 2;

    public int HeadSize { get; init; } = 16;

    public int Intermediate { get; init; } = 48;

    /// <summary>Elements of a head that are rotated.</summary>
    public int RotatedSize { get; init; } = 16;

    /// <summary>The base of the rotary angles of even layers, and of odd ones (Gemma 3).</summary>
    public (double Even, double Odd) RotaryBase { get; init; } = (10000, 10000);

    public bool InterleavedRotary { get; init; }

    /// <summary>Layers without a rotary embedding (SmolLM 3).</summary>
    public IReadOnlyList<int> LayersWithoutRotary { get; init; } = [];

    public HeadNorm HeadNorm { get; init; }

    /// <summary>Whether heads are normalised behind the rotary embedding (Hunyuan), not before.</summary>
    public bool NormalisesRotated { get; init; }

    public bool HasBias { get; init; }

    public bool HasOutputBias { get; init; }

    /// <summary>The factor on scores; null for 1 / sqrt(head size).</summary>
    public float? Scale { get; init; }

    public float SoftCap { get; init; }

    /// <summary>How many keys a query of an even layer sees, itself included; -1 for all.</summary>
    public int Window { get; init; } = -1;

    public bool HasSinks { get; init; }

    public bool SmoothSoftmax { get; init; }

    public NormPlaces Norms { get; init; }

    /// <summary>LayerNorm, which subtracts the mean and has a bias, in place of RMSNorm.</summary>
    public bool LayerNorm { get; init; }

    /// <summary>Attention and MLP read the same normed state, and the layer adds both (Phi 2).</summary>
    public bool IsParallel { get; init; }

    public float EmbeddingScale { get; init; } = 1;

    public float ResidualMultiplier { get; init; } = 1;

    public float LogitScale { get; init; } = 1;

    /// <summary>The LoRA rank of value and output projections; 0 for none.</summary>
    public int LoRARank { get; init; }

    /// <summary>The type of activations.</summary>
    public DataType Type { get; init; } = DataType.Float;

    public int QuerySize => Heads * HeadSize;

    public int KeySize => KeyValueHeads * HeadSize;

    public float ScoreScale => Scale ?? (float)(1 / Math.Sqrt(HeadSize));

    public bool IsRotated(int layer) => !LayersWithoutRotary.Contains(layer);

    public int WindowOf(int layer) => layer % 2 == 0 ? Window : -1;

    /// <summary>Cosine and sine of each position and pair of a layer, [context, rotated size / 2].</summary>
    public (float[] Cosines, float[] Sines) Angles(int layer)
    {
        double start = layer % 2 == 0 ? RotaryBase.Even : RotaryBase.Odd;
        double[] angles = [.. from position in Enumerable.Range(0, Context) from pair in Enumerable.Range(0, RotatedSize / 2) select position / Math.Pow(start, 2.0 * pair / RotatedSize)];
        return ([.. angles.Select(angle => (float)Math.Cos(angle))], [.. angles.Select(angle => (float)Math.Sin(angle))]);
    }
}
