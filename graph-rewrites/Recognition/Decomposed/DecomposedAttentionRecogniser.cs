using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Attention in elementary operators, as Optimum, torch.onnx and older exporters write it: softmax(q k^T * scale + mask) v. The core is the Softmax.
/// Scores, probabilities and output are followed operator by operator; which heads they belong to is read from where their elements come from.
/// </summary>
/// <param name="known">What the model says of shapes; computed once, when it is first asked for.</param>
internal sealed class DecomposedAttentionRecogniser(Lazy<PartialEvaluation> known) : IAttentionRecogniser
{
    private const string Form = "MatMul-Softmax-MatMul";

    /// <summary>Whether a node is a Softmax of scores: of a product of two activations, as no router, head or sampling has it.</summary>
    public static bool IsCore(Node node) => ScorePath.Of(node) is not null;

    public bool LooksFor(Node node) => ScorePath.IsSoftmax(node);

    public Match<AttentionSite> Recognise(Node core, int layer)
    {
        if (ScorePath.Of(core) is not { } scores || ProbabilityPath.Of(core) is not { } probabilities)
        {
            return Match<AttentionSite>.Fail("the probabilities of the Softmax do not meet values as they are: they are combined with something else, or go nowhere", core.Output.Uses is [{ Node: var reader }, ..] ? reader : core);
        }
        Match<AttendedPath> attended = AttendedPath.Of(probabilities.Product.Node.Output);
        return attended.Success ? Recognise(new DecomposedLayer(known.Value, layer, scores, probabilities, attended.Found)) : Match<AttentionSite>.Fail(attended);
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
