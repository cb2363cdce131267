using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>prefix</c>: <c>aligner.prefix</c> [rows, d] is a table of tokens. An id of the reserved number or above selects a row, which every layer's key
/// and value projections take in place of the normed hidden state: the tokens of a concat adapter stand in the sequence as ids, different adapters in one batch too.
/// </summary>
public static class PrefixInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "prefix";

    /// <summary>The slot's name.</summary>
    public const string Slot = "aligner.prefix";

    /// <summary>The metadata entry that says the first reserved id; row i of the table is id first + i.</summary>
    public const string FirstIdKey = "aligner.prefix.first_id";

    private const string InputIds = "input_ids";

    internal static void Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites)
    {
        OnnxGraph graph = model.Graph;
        Value ids = graph.Find(InputIds) is { IsGraphInput: true } found ? found : throw new ModelRefusedException("The model takes no token ids", model.Path, $"no input '{InputIds}'", "a model with its embedding");
        if (ids.ElementType is not (DataType.Int32 or DataType.Int64))
        {
            throw new ModelRefusedException("Token ids are no integers", $"input '{InputIds}'", ids.ElementType.ToString(), "int64 or int32", "export the model again");
        }
        long firstId = VocabularyOf(ids, model);
        Value table = Slots.Add(graph, Slot, sites[0].ElementType, ["aligner_rows", sites[0].HiddenSize], 1, sites[0].HiddenSize);
        OpEmitter emit = new(graph, "aligner.prefix_layout");
        Value first = emit.Integer(firstId, ids.ElementType);
        Value zero = emit.Integer(0, ids.ElementType);
        Value reserved = emit.Op("GreaterOrEqual", [ids, first]);
        Value row = emit.Op("Where", [reserved, emit.Sub(ids, first), zero]);
        Value ordinary = emit.Op("Where", [reserved, zero, ids]);
        Redirect(ids, ordinary, [reserved.Producer!, row.Producer!.Input(1)!.Producer!, ordinary.Producer!]);
        Value chosen = emit.Op("Gather", [table, row], NodeAttributes.Of("axis", 0L));
        // Behind the last dimension: ids are [b, s], or [tokens] where sequences stand in one line.
        Value where = emit.Op("Unsqueeze", [reserved, emit.Integers([-1])]);
        foreach (AttentionSite site in sites)
        {
            OpEmitter layer = emit.Within($"layer{site.Layer}");
            KeyValueSources.Replace(site, (source, flat) => layer.Op("Where", flat
                ? [layer.Reshape(where, -1, 1), layer.Reshape(chosen, -1, site.HiddenSize), source]
                : [where, chosen, source]));
        }
        model.SetMetadata(FirstIdKey, firstId.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>All but the nodes that tell reserved ids apart read ordinary ids alone, subgraphs too.</summary>
    private static void Redirect(Value ids, Value ordinary, IReadOnlyCollection<Node> own)
    {
        OnnxGraph.ReplaceUses(ids, ordinary);
        foreach (Use use in ordinary.Uses.Where(use => own.Contains(use.Node)).ToArray())
        {
            use.Node.Rewire(use.Input, ids);
        }
    }

    /// <summary>Rows of the embedding: the first id that no token has.</summary>
    private static long VocabularyOf(Value ids, OnnxModel model)
    {
        foreach (Node node in ids.Uses.Select(use => use.Node))
        {
            if (node.OpType is "Gather" or "GatherBlockQuantized" && node.Input(0) is { IsConstant: true, Initializer.Shape: { Count: >= 2 } shape })
            {
                return shape[0];
            }
        }
        return model.Graph.Find("logits")?.Type?.TensorType?.Shape?.Dim is [.., { DimValue: > 1 } width]
            ? width.DimValue
            : throw new ModelRefusedException("The size of the vocabulary cannot be read from the graph", model.Path, "no embedding of token ids with a constant table", "Gather or GatherBlockQuantized of input_ids");
    }
}
