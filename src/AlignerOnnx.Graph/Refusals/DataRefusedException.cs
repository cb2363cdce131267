namespace AlignerOnnx.Graph;

/// <summary>A data set that cannot be read or used.</summary>
/// <inheritdoc cref="RefusedException"/>
public sealed class DataRefusedException(string what, string? where = null, string? found = null, string? expected = null, string? remedy = null, Exception? inner = null)
    : RefusedException(what, where, found, expected, remedy, inner);
