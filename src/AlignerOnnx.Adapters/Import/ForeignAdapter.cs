using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Tokens and gates that another library trained, before it is said for which model.</summary>
/// <param name="StartLayer">The first adapted layer.</param>
/// <param name="Layers">L: the last adapted layer is the model's last.</param>
/// <param name="Tokens">P, [N, d].</param>
/// <param name="Gates">beta, [L', H], or [L', 1] where a layer has one gate for all heads.</param>
internal sealed record ForeignAdapter(int StartLayer, int Layers, ForeignTensor Tokens, ForeignTensor Gates)
{
    private int Heads => (int)Gates.Shape[1];

    private int Size => (int)Tokens.Shape[1];

    /// <summary>The adapter for a model.</summary>
    /// <param name="sites">All attention sites of the model.</param>
    /// <param name="modelName">The model's name.</param>
    /// <param name="source">The file, for refusals.</param>
    /// <exception cref="AdapterRefusedException">The model has other sizes.</exception>
    public Adapter For(IReadOnlyList<AttentionSite> sites, string modelName, string source)
    {
        Architecture model = Architecture.Of(sites, modelName);
        if (model.Layers != Layers || model.HiddenSize != Size || (Heads != 1 && model.QueryHeads != Heads))
        {
            throw new AdapterRefusedException("The tokens and gates are for a model of another architecture", source, $"tokens of {Size}, gates of {Heads} heads in layers {StartLayer} to {Layers - 1}",
                $"{model.HiddenSize}, {model.QueryHeads} and layers to {model.Layers - 1}", "use the model that they were trained for");
        }
        AdapterConfig config = Adapter.Describe(sites, modelName, StartLayer, (int)Tokens.Shape[0], Origin(source));
        return new Adapter(config, Tokens.Values, EachHead(model.QueryHeads));
    }

    /// <summary>The adapter without its model, whose weights then are not known: it fits with <c>--any-base</c> alone. Query and key/value heads are as many, as the authors' code has it.</summary>
    /// <exception cref="AdapterRefusedException">The gates do not say how many heads there are.</exception>
    public Adapter WithoutModel(string source)
    {
        if (Heads == 1 || Size % Heads != 0)
        {
            throw new AdapterRefusedException("The checkpoint does not say which model it is for", source, $"{Heads} gate(s) a layer and tokens of {Size}", "the number of heads", "give the model that it was trained on with --model");
        }
        AdapterConfig config = new()
        {
            NumTokens = (int)Tokens.Shape[0], StartLayer = StartLayer, HiddenSize = Size, NumLayers = Layers, NumHeads = Heads, NumKvHeads = Heads, HeadDim = Size / Heads, BaseFingerprint = "", Training = Origin(source),
        };
        return new Adapter(config, Tokens.Values, Gates.Values);
    }

    private float[] EachHead(int heads) => Heads == heads ? Gates.Values : [.. Gates.Values.SelectMany(gate => Enumerable.Repeat(gate, heads))];

    private static TrainingRecord Origin(string source) => new() { Recipe = $"imported from {Path.GetFileName(Path.TrimEndingDirectorySeparator(source))}" };
}
