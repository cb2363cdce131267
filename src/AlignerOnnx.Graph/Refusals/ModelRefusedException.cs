namespace AlignerOnnx.Graph;

/// <summary>A model that cannot be read, is unsafe, or has no site that can be patched.</summary>
/// <inheritdoc cref="RefusedException"/>
public sealed class ModelRefusedException(string what, string? where = null, string? found = null, string? expected = null, string? remedy = null, Exception? inner = null)
    : RefusedException(what, where, found, expected, remedy, inner);
