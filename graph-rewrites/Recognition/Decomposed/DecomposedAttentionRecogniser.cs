using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Attention in elementary operators, as Optimum, torch.onnx and older exporters write it: softmax(q k^T * scale + mask) v. The core is the Softmax.
/// Scores, probabilities and output are followed operator by operator; which heads they belong to is read from where their elements come from.
/// </summary>
/// <param name="model">The model; what it says of shapes is computed once, when the first core is met.</param>
internal sealed class DecomposedAttentionRecogniser(OnnxModel model) : IAttentionRecogniser
{
    private const string Form = "MatMul-Softmax-MatMul";

    private readonly Lazy<PartialEvaluation> _known = new(() => PartialEvaluation.Of(model));

    /// <summary>Whether a node is a Softmax of scores whose probabilities meet values: no router, no head, no sampling.</summary>
    public static bool IsCore(Node node) => ScorePath.Of(node) is not null && ProbabilityPath.Of(node) is not null;

    public bool LooksFor(Node node) => ScorePath.IsSoftmax(node);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        if (ScorePath.Of(core) is not { } scores || ProbabilityPath.Of(core) is not { } probabilities)
        {
            return Match<AttentionSite>.Fail("the Softmax does not stand between a product of queries and keys and one with values", core);
        }
        Match<AttendedPath> attended = AttendedPath.Of(probabilities.Product.Node.Output);
        return attended.Success ? Recognise(new DecomposedLayer(_known.Value, layer, scores, probabilities, attended.Found)) : Match<AttentionSite>.Fail(attended);
    }

    private static Match<AttentionSite> Recognise(DecomposedLayer layer)
    {
        Match<ScoreScale> scale = ScoreScale.Of(layer.Scores, layer.Known);
        if (!scale.Success)
        {
            return Match<AttentionSite>.Fail(scale);
        }
        HeadSamples samples = new(layer.Known, layer.Scores, layer.Probabilities, layer.Attended);
        Match<IReadOnlyList<HeadSample>> taken = samples.Take();
        if (!taken.Success)
        {
            return Match<AttentionSite>.Fail(taken);
        }
        Match<HeadSlices> slices = HeadSlices.Of(taken.Found, samples.Heads, samples.HeadSize);
        return slices.Success ? layer.Assemble(Form, samples, taken.Found, slices.Found, scale.Found) : Match<AttentionSite>.Fail(slices);
    }
}
