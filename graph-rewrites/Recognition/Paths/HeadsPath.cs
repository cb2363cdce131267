using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Projections;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>Where queries, keys or values come from: the projection and what happens to its result on the way to the attention core.</summary>
/// <param name="Slice">The projection, or the part of a packed one, with a bias that is added to the part.</param>
internal sealed record HeadsPath(ProjectionSlice Slice)
{
    private const int Steps = 64;

    private static readonly IPathStep[] Kinds =
    [
        new DecomposedRotaryStep(), new NormalizationStep(), new RotaryStep(), new LayoutStep(), new RepeatStep(), new CacheStep(), new ScalingStep(), new PartStep(), new LateBiasStep(),
    ];

    /// <summary>The normalization on the way; null where there is none.</summary>
    public HeadNormalization? Normalization { get; init; }

    /// <summary>Whether a rotary embedding lies on the way.</summary>
    public bool IsRotated { get; init; }

    /// <summary>The RotaryEmbedding node on the way; null where there is none, or it is decomposed.</summary>
    public Node? RotaryNode { get; init; }

    /// <summary>How often sequence and heads change places on the way.</summary>
    public int Swaps { get; init; }

    /// <summary>Whether key/value heads are repeated for the query heads that share them.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>The product of the numbers that the result is multiplied with on the way; NaN for PyTorch's square root of the standard scale.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Elements of a head where a Reshape on the way says so; 0 where none does.</summary>
    public long HeadSize { get; init; }

    /// <summary>The type that the core reads, where it differs from the projection's on the way; undefined where nothing converts.</summary>
    public DataType Type { get; init; }

    /// <summary>The cache that earlier heads come from, and the value with the new ones behind; null where the way passes none.</summary>
    public (Value Past, Value Present)? Cache { get; init; }

    /// <summary>Follows a value back to its projection.</summary>
    public static Match<HeadsPath> To(Value operand)
    {
        HeadsWalk walk = new(operand);
        for (int step = 0; step < Steps; step++)
        {
            Match<Projection> projection = ProjectionRecogniser.Computing(walk.At);
            if (projection.Success)
            {
                return walk.Finish(projection.Found);
            }
            if (Array.Find(Kinds, each => each.LooksFor(walk.At)) is not { } kind)
            {
                return Match<HeadsPath>.Fail(projection);
            }
            if (kind.Pass(walk) is { } reason)
            {
                return Match<HeadsPath>.Fail(reason, walk.At.Producer as object ?? walk.At);
            }
        }
        return Match<HeadsPath>.Fail("no projection was found behind it", operand);
    }
}
