using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>One attention core with what was recognised of it.</summary>
/// <param name="Layer">The layer, from 0, in execution order.</param>
/// <param name="Core">The attention node.</param>
/// <param name="Match">The site, or why there is none.</param>
public sealed record AttentionCore(int Layer, Node Core, Match<AttentionSite> Match);

/// <summary>The attention cores of a model in execution order.</summary>
public sealed class RecognisedModel
{
    private RecognisedModel(OnnxModel model, IReadOnlyList<AttentionCore> cores)
    {
        Model = model;
        Cores = cores;
    }

    /// <summary>The model.</summary>
    public OnnxModel Model { get; }

    /// <summary>Every attention core, patchable or not.</summary>
    public IReadOnlyList<AttentionCore> Cores { get; }

    /// <summary>Looks at every node of a model.</summary>
    public static RecognisedModel Of(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Lazy<PartialEvaluation> known = new(() => PartialEvaluation.Of(model));
        TracedHeads heads = new(known);
        IAttentionRecogniser[] recognisers =
        [
            new GroupQueryAttentionRecogniser(heads), new MultiHeadAttentionRecogniser(heads), new PackedAttentionRecogniser(), new PagedAttentionRecogniser(heads), new StandardAttentionRecogniser(heads),
            new DecomposedAttentionRecogniser(known),
        ];
        List<AttentionCore> cores = [];
        (string Reason, Node Culprit)? foreign = ModelFamily.WhyNot(model.Graph);
        foreach (Node node in NodeOrder.Topological(model.Graph.Nodes).Where(AttentionCores.IsCore))
        {
            IAttentionRecogniser? recogniser = Array.Find(recognisers, r => r.LooksFor(node));
            Match<AttentionSite> match = node.Outputs is not [{ }, ..] ? Match<AttentionSite>.Fail("the core has no first output", node)
                : Typed(recogniser?.Recognise(node, cores.Count) ?? UnsupportedForms.Explain(node), node);
            cores.Add(new AttentionCore(cores.Count, node, match.Success && foreign is { } why ? Match<AttentionSite>.Fail(why.Reason, why.Culprit) : match));
        }
        return new RecognisedModel(model, cores);
    }

    /// <summary>Slots have the type of the layer, and there are no others in which adapters are stored.</summary>
    private static Match<AttentionSite> Typed(Match<AttentionSite> match, Node core) =>
        match is { Success: true, Found.ElementType: not (DataType.Float or DataType.Float16 or DataType.Bfloat16) and var type } ? Match<AttentionSite>.Fail($"the layer computes in {type}, not in float, float16 or bfloat16", core) : match;

    /// <summary>All sites; a model is patched completely or refused.</summary>
    /// <param name="explained">Whether the user sees the reason of every layer already.</param>
    /// <exception cref="ModelRefusedException">There is no attention core, one cannot be patched, or the layers differ.</exception>
    public IReadOnlyList<AttentionSite> RequireSites(bool explained = false)
    {
        string file = Model.Path ?? "the model";
        if (Cores.Count == 0 && AttentionCores.BranchWithAttention(Model.Graph) is { } choice)
        {
            throw new ModelRefusedException("The decoder stands inside the branches of an If", $"{file}, {choice}", "a merged export (decoder_model_merged.onnx)", "attention in the graph itself", "use the export that has one decoder with a cache (decoder_with_past_model.onnx, or a newer Optimum)");
        }
        if (Cores.Count == 0)
        {
            throw new ModelRefusedException("The model has no attention", file, $"{Model.Graph.Nodes.Count} nodes, none of them an attention core", "a decoder of the LLaMA family", "run `aligner inspect` on it, or name another model");
        }
        if (Cores.FirstOrDefault(core => !core.Match.Success) is { } failed)
        {
            throw new ModelRefusedException($"Layer {failed.Layer} cannot be patched: {failed.Match.Reason}", $"{file}, {failed.Core}", failed.Match.Culprit,
                "attention between projections and an output projection, as exports of the LLaMA family have it", explained ? null : "run `aligner inspect --explain` to see every layer");
        }
        AttentionSite[] sites = [.. Cores.Select(core => core.Match.Found!)];
        if (sites.FirstOrDefault(site => site.ElementType != sites[0].ElementType) is { } other)
        {
            throw new ModelRefusedException("The layers of the model compute in different types", $"{file}, layer {other.Layer}", other.ElementType.ToString(), sites[0].ElementType.ToString(), "export the model in one type");
        }
        Architecture.Of(sites, file);
        return sites;
    }
}
