using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>A checkpoint that is damaged, or that another run than this one wrote.</summary>
/// <inheritdoc cref="RefusedException"/>
public sealed class CheckpointRefusedException(string what, string? where = null, string? found = null, string? expected = null, string? remedy = null, Exception? inner = null)
    : RefusedException(what, where, found, expected, remedy, inner);
