using AlignerOnnx.Graph;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>Operators that only arrange or convert: Reshape, Transpose, Squeeze, Unsqueeze, Cast, Identity, Dropout. Heads must stay side by side.</summary>
internal sealed class LayoutStep : IPathStep
{
    private static readonly HashSet<string> Operators = ["Reshape", "Transpose", "Squeeze", "Unsqueeze", "Cast", "Identity", "Dropout"];

    public bool LooksFor(Value value) => value.Producer is { Domain: Domains.Standard } node && Operators.Contains(node.OpType);

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (node.OpType == "Transpose")
        {
            if (node.Attributes.Ints("perm") is not { } order || !KeepsHeads(order))
            {
                return $"a Transpose by [{string.Join(',', node.Attributes.Ints("perm") ?? [])}] arranges heads in another order";
            }
            walk.Note(facts => facts with { Swaps = facts.Swaps + 1 });
        }
        if (node.OpType == "Reshape" && walk.Facts.HeadSize == 0 && HeadSizeOf(node) is long size and > 0)
        {
            walk.Note(facts => facts with { HeadSize = size });
        }
        if (node.OpType == "Cast" && walk.Facts.Type == DataType.Undefined)
        {
            walk.Note(facts => facts with { Type = (DataType)node.Attributes.Int("to", 0) });
        }
        return walk.Back(node.Input(0));
    }

    /// <summary>Orders that move the sequence past the heads, never an element past its head.</summary>
    private static bool KeepsHeads(IReadOnlyList<long> order) => order is [0, 2, 1, 3] or [0, 2, 1, 3, 4];

    /// <summary>A Reshape to [.., heads, head size] names the head size last.</summary>
    private static long? HeadSizeOf(Node reshape) =>
        Constants.Integers(reshape.Input(1)) is { Length: >= 3 } shape ? shape[^1]
        : reshape.Input(1)?.Producer is { OpType: "Concat" } join && join.Inputs.Count >= 4 ? Constants.Integers(join.Inputs[^1])?[^1]
        : null;
}
