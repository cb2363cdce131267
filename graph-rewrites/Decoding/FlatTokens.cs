using AlignerOnnx.Graph;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>
/// Lets a decoder compute tokens of any rows in one run, of one row many and of another one: each token is a row of the batch, <c>input_ids</c> are [t, 1], and attention alone knows which tokens belong together. In
/// place of the mask the graph has the inputs <see cref="Positions"/>, <see cref="Rows"/> and <see cref="Answers"/>; logits are [answers, 1, V]. To be applied behind <see cref="CachedAttentions"/>.
/// </summary>
public static class FlatTokens
{
    /// <summary>int32 [t]: the position of each token in its row.</summary>
    public const string Positions = "aligner.positions";

    /// <summary>int32 [t]: the row of the cache of each token. Tokens of one row follow each other in the order of positions.</summary>
    public const string Rows = "aligner.rows";

    /// <summary>int64 [answers]: the tokens whose logits are asked for.</summary>
    public const string Answers = "aligner.answers";

    private const string Mask = "attention_mask";
    private const int PastKey = 1;
    private const int PastValue = 2;
    private const int Lengths = 3;
    private const int RowInput = 9;

    /// <summary>Rewrites the graph, in place.</summary>
    /// <param name="model">The model.</param>
    /// <returns>Whether all attention is <see cref="KernelOperators.CachedAttention"/>, the mask serves nothing but its lengths, and logits come from a projection behind a normalization; if not, the graph is unchanged.</returns>
    public static bool Apply(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        OnnxGraph graph = model.Graph;
        Node[] cores = [.. graph.Nodes.Where(IsCore)];
        if (cores.Length == 0 || LogitsProjection.Find(graph) is not { } projection || graph.Find(Mask) is not { IsGraphInput: true } mask || !GivesLengthsOnly(mask)
            || graph.Nodes.Any(node => node.Is("GroupQueryAttention", Domains.Microsoft)))
        {
            return false;
        }
        Value positions = graph.AddInput(Positions, Shapes.Declare(DataType.Int32, "aligner_tokens")), rows = graph.AddInput(Rows, Shapes.Declare(DataType.Int32, "aligner_tokens"));
        foreach (Node core in cores)
        {
            core.Rewire(Lengths, positions);
            core.Rewire(RowInput, rows);
            foreach (Value cache in new[] { core.Input(PastKey)!, core.Input(PastValue)!, core.Outputs[PastKey]!, core.Outputs[PastValue]! })
            {
                Rename(cache, "aligner_rows");
            }
        }
        Value answers = graph.AddInput(Answers, Shapes.Declare(DataType.Int64, "aligner_answers"));
        projection.Rewire(0, new OpEmitter(graph, "aligner.answers").Op("Gather", [projection.Input(0), answers], NodeAttributes.Of("axis", 0)));
        Rename(graph.Find(LogitsProjection.Logits)!, "aligner_answers");
        graph.RemoveInput(mask);
        graph.RemoveUnused();
        return true;
    }

    /// <summary>Whether all that is computed from a value ends as lengths of attention. Each value is looked at once, however many ways lead to it.</summary>
    private static bool GivesLengthsOnly(Value source)
    {
        HashSet<Value> seen = [source];
        Stack<Value> open = new(seen);
        while (open.TryPop(out Value? value))
        {
            if (value.IsGraphOutput || value.Uses.Any(use => use.Input == Use.Subgraph || (IsCore(use.Node) && use.Input != Lengths)))
            {
                return false;
            }
            foreach (Value next in value.Uses.Where(use => !IsCore(use.Node)).SelectMany(use => use.Node.Outputs).OfType<Value>().Where(seen.Add))
            {
                open.Push(next);
            }
        }
        return true;
    }

    private static bool IsCore(Node node) => node.Is(KernelOperators.CachedAttention, KernelOperators.Domain);

    /// <summary>Gives the first dimension another symbol: it is no longer the number of tokens.</summary>
    private static void Rename(Value value, string symbol)
    {
        if (value.Type?.TensorType?.Shape is { Dim.Count: > 0 })
        {
            value.Type = value.Type.Clone();
            value.Type.TensorType.Shape.Dim[0] = new TensorShapeProto.Types.Dimension { DimParam = symbol };
        }
    }
}
