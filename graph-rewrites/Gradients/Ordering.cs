using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>
/// ONNX Runtime runs what depends on nothing that is late as early as it likes, and keeps the result until it is read. A dependency on a late value, by an empty shape
/// taken from it, holds a computation back until its result is wanted.
/// </summary>
internal static class Ordering
{
    /// <summary>The value itself, but not before another one.</summary>
    public static Value After(OpEmitter emit, Value value, Value earlier)
    {
        Value nothing = emit.Op("Shape", [earlier], NodeAttributes.Of("start", 0L), NodeAttributes.Of("end", 0L));
        return emit.Op("Expand", [value, nothing]);
    }
}
