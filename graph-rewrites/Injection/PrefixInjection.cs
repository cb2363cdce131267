using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>
/// The slot layout <c>prefix</c>: <c>aligner.prefix</c> [rows, d], a table of tokens. An id at or above the reserved id selects the row id - reserved id, and stands for that
/// token in every layer: the layer's key and value projections read the row in place of their normed input. Such ids take positions and cache slots as any others.
/// One Where a layer; the default is one row of zeros, which no id of the vocabulary selects.
/// </summary>
public static class PrefixInjection
{
    /// <summary>The layout's name.</summary>
    public const string Layout = "prefix";

    /// <summary>The slot's name.</summary>
    public const string Slot = "aligner.prefix";

    /// <summary>The key of the ONNX metadata that holds the reserved id.</summary>
    public const string ReservedIdKey = "aligner.reserved_id";

    private const string InputIds = "input_ids";
    private const string RowCount = "aligner_rows";

    /// <summary>Adds the slot to a model.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <param name="sites">Its attention sites, all of them, in execution order.</param>
    /// <param name="reservedId">The first id that selects a row; by default the vocabulary size.</param>
    /// <returns>The reserved id.</returns>
    /// <exception cref="ModelRefusedException">The model is patched already, is too old, takes no token ids, or does not say how large its vocabulary is.</exception>
    public static long Apply(OnnxModel model, IReadOnlyList<AttentionSite> sites, long? reservedId = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Value ids = TokenIds(model);
        long reserved = reservedId ?? VocabularySize.Of(model, ids)
            ?? throw new ModelRefusedException("The vocabulary's size cannot be read from the graph", model.Path, "neither an embedding table nor a declared width of the logits", "one of the two", "say --reserved-id");
        SlotLayouts.Begin(Layout, model, sites);
        OnnxGraph graph = model.Graph;
        Value table = SlotEmitter.Add(graph, Slot, sites[0].ElementType, defaults: 1, RowCount, sites[0].HiddenSize);
        OpEmitter emit = new(graph, "aligner.prefix_ids");
        Value first = emit.Integer(reserved, ids.ElementType);
        Value zero = emit.Integer(0, ids.ElementType);
        Value isToken = emit.Op("GreaterOrEqual", [ids, first]);
        // The embedding table has no such rows: it gets id 0 there, whose embedding reaches no key and no value.
        Value embedded = emit.Op("Where", [isToken, zero, ids]);
        OnnxGraph.ReplaceUses(ids, embedded, except: embedded.Producer);
        isToken.Producer!.Rewire(0, ids);
        Value row = emit.Op("Where", [isToken, emit.Sub(ids, first), zero]);
        Value rows = emit.Op("Gather", [table, row]);
        Value mask = emit.Op("Unsqueeze", [isToken, emit.Integers([-1])]);
        PrefixRows selected = new(graph, mask, rows);
        foreach (AttentionSite site in sites)
        {
            selected.StandIn(site);
        }
        model.SetMetadata(ReservedIdKey, $"{reserved}");
        return reserved;
    }

    private static Value TokenIds(OnnxModel model) => model.Graph.Find(InputIds) is { IsGraphInput: true, ElementType: DataType.Int64 or DataType.Int32 } ids
        ? ids
        : throw new ModelRefusedException("The model takes no token ids", model.Path, $"no integer input '{InputIds}'", "token ids [b, s]", "use another slot layout");
}
