namespace AlignerOnnx.Graph;

/// <summary>An adapter that is damaged or does not fit the model.</summary>
/// <inheritdoc cref="RefusedException"/>
public sealed class AdapterRefusedException(string what, string? where = null, string? found = null, string? expected = null, string? remedy = null, Exception? inner = null)
    : RefusedException(what, where, found, expected, remedy, inner);
