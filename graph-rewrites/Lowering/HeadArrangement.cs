using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Lowering;

/// <summary>Heads that a graph has as a dimension of their own, side by side.</summary>
internal static class HeadArrangement
{
    /// <summary>[b, s, size] of heads in any layout but the flat one.</summary>
    public static Value SideBySide(OpEmitter emit, Value heads, HeadLayout layout, long size) => layout switch
    {
        HeadLayout.HeadMajor => emit.Reshape(emit.Transpose(heads, 0, 2, 1, 3), 0, 0, size),
        HeadLayout.SequenceHeads => emit.Reshape(heads, 0, 0, size),
        _ => heads,
    };
}
