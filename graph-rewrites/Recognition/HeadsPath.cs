using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Where queries, keys or values come from: the projection and what happens to its result on the way to the attention core.</summary>
/// <param name="Slice">The projection, or the part of a packed one.</param>
/// <param name="Normalization">The normalization on the way; null where there is none.</param>
/// <param name="IsRotated">Whether a rotary embedding lies on the way.</param>
/// <param name="RotaryNode">The RotaryEmbedding node on the way; null where there is none, or it is decomposed.</param>
/// <param name="IsRepeated">Whether key/value heads are repeated for the query heads that share them.</param>
/// <param name="Factor">The product of the numbers that the result is multiplied with on the way.</param>
/// <param name="HeadSize">Elements of a head where a Reshape on the way says so; 0 where none does.</param>
internal sealed record HeadsPath(ProjectionSlice Slice, HeadNormalization? Normalization, bool IsRotated, Node? RotaryNode, bool IsRepeated, double Factor, long HeadSize)
{
    private const int Steps = 64;

    /// <summary>Follows a value back to its projection.</summary>
    public static Match<HeadsPath> To(Value operand)
    {
        Walk walk = new(operand);
        for (int step = 0; step < Steps; step++)
        {
            if (ProjectionRecogniser.Computing(walk.At) is { Success: true } projection)
            {
                return walk.Finish(projection.Found);
            }
            string? reason = walk.Step();
            if (reason is not null)
            {
                return Match<HeadsPath>.Fail(reason, walk.At.Producer as object ?? walk.At);
            }
        }
        return Match<HeadsPath>.Fail("no projection was found behind it", operand);
    }

    /// <summary>A place on the way back, and what was passed.</summary>
    private sealed class Walk(Value start)
    {
        private HeadNormalization? _normalization;
        private bool _rotated;
        private Node? _rotaryNode;
        private bool _repeated;
        private double _factor = 1;
        private long _headSize;
        private (long First, long Count)? _part;

        public Value At { get; private set; } = start;

        public Match<HeadsPath> Finish(Projection projection)
        {
            (long first, long count) = _part ?? (0, projection.OutputSize);
            return first < 0 || count < 1 || first + count > projection.OutputSize
                ? Match<HeadsPath>.Fail($"elements {first} to {first + count - 1} lie outside the packed projection of {projection.OutputSize}", projection.Node)
                : new HeadsPath(new ProjectionSlice(projection, first, count), _normalization, _rotated, _rotaryNode, _repeated, _factor, _headSize);
        }

        /// <summary>Goes one operator back; says why where it cannot.</summary>
        public string? Step()
        {
            if (At.Producer is not { } node)
            {
                return "the value is not the output of a projection";
            }
            if (DecomposedRotary.SourceOf(At) is { } unrotated)
            {
                _rotated = true;
                return Back(unrotated);
            }
            if (HeadNormalizations.Computing(At) is { } normalized)
            {
                string? twice = _normalization is null ? null : "it is normalised twice";
                _normalization = normalized.Normalization;
                return twice ?? Back(normalized.Source);
            }
            return node.OpType switch
            {
                "Reshape" => ThroughReshape(node),
                "Transpose" or "Cast" or "Identity" or "Unsqueeze" or "Squeeze" or "Dropout" => Back(node.Input(0)!),
                "RotaryEmbedding" => ThroughRotary(node),
                "Expand" => ThroughExpand(node),
                "Concat" => ThroughConcat(node),
                "Mul" or "Div" => ThroughFactor(node),
                "Split" => ThroughSplit(node),
                "Slice" => ThroughSlice(node),
                _ => ProjectionRecogniser.Computing(At).Reason ?? $"{node.OpType} is not a projection",
            };
        }

        private string? Back(Value value)
        {
            At = value;
            return null;
        }

        private string? ThroughReshape(Node node)
        {
            if (_headSize == 0 && HeadSizeOf(node) is long size and > 0)
            {
                _headSize = size;
            }
            return Back(node.Input(0)!);
        }

        /// <summary>A Reshape to [.., heads, head size] names the head size last.</summary>
        private static long? HeadSizeOf(Node reshape) =>
            Constants.Integers(reshape.Input(1)) is { Length: >= 3 } shape ? shape[^1]
            : reshape.Input(1)?.Producer is { OpType: "Concat" } join && join.Inputs.Count >= 4 ? Constants.Integers(join.Inputs[^1])?[^1]
            : null;

        private string? ThroughRotary(Node node)
        {
            _rotated = true;
            _rotaryNode = node;
            return Back(node.Input(0)!);
        }

        /// <summary>[b, G, 1, s, size] -> [b, G, r, s, size]: heads of a group side by side. In another order query heads would meet other keys.</summary>
        private string? ThroughExpand(Node node)
        {
            const long afterHeads = 2;
            if (node.Input(0)?.Producer is { OpType: "Unsqueeze" } unsqueeze && AxesOf(unsqueeze) is not ([afterHeads] or [-3]))
            {
                return "key/value heads are repeated in another order than side by side";
            }
            _repeated = true;
            return Back(node.Input(0)!);
        }

        private static long[]? AxesOf(Node node) => node.Attributes.Ints("axes") is { } axes ? [.. axes] : Constants.Integers(node.Input(1));

        /// <summary>Behind the cache, what is new comes last; in a partial rotary embedding, what is not rotated.</summary>
        private string? ThroughConcat(Node node)
        {
            _rotated |= node.Inputs.Any(part => part is not null && DecomposedRotary.SourceOf(part) is not null);
            return node.Inputs.Count >= 2 && node.Inputs[^1] is { } last ? Back(last) : "a Concat of one part";
        }

        private string? ThroughFactor(Node node)
        {
            foreach ((Value? number, Value? rest) in new[] { (node.Input(1), node.Input(0)), (node.Input(0), node.Input(1)) })
            {
                if (Constants.Number(number) is float factor && rest is not null && (node.OpType == "Mul" || number == node.Input(1)))
                {
                    _factor *= node.OpType == "Mul" ? factor : 1 / factor;
                    return Back(rest);
                }
            }
            // PyTorch scales queries and keys by the square root of a number that it computes from their shape: the standard scale, half of it on each side.
            if (node.Inputs.FirstOrDefault(input => input?.Producer is { OpType: "Sqrt" }) is { } root && node.Inputs.FirstOrDefault(input => input != root) is { } scaled)
            {
                _factor = double.NaN;
                return Back(scaled);
            }
            return $"{node.OpType} is not a projection";
        }

        private string? ThroughSplit(Node node)
        {
            long[]? sizes = node.Attributes.Ints("split") is { } given ? [.. given] : Constants.Integers(node.Input(1));
            int part = node.Outputs.ToList().IndexOf(At);
            return sizes is null || part >= sizes.Length || _part is not null
                ? "the parts of the packed projection have no constant sizes"
                : Take(sizes.Take(part).Sum(), sizes[part], node.Input(0)!);
        }

        private string? ThroughSlice(Node node)
        {
            if (Constants.Integers(node.Input(1)) is not [long first] || Constants.Integers(node.Input(2)) is not [long end] || _part is not null || first < 0)
            {
                return "the part of the packed projection has no constant bounds";
            }
            long size = ProjectionRecogniser.Computing(node.Input(0)!).Found?.OutputSize ?? 0;
            end = end < 0 ? size + end : Math.Min(end, size);
            return Take(first, end - first, node.Input(0)!);
        }

        private string? Take(long first, long count, Value packed)
        {
            _part = (first, count);
            return Back(packed);
        }
    }
}
