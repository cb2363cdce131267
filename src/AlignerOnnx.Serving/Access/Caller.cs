namespace AlignerOnnx.Serving;

/// <summary>Who sends a request that a role is needed for.</summary>
/// <param name="Role">The role of the key; <see cref="KeyRole.Admin"/> where there are no keys.</param>
internal sealed record Caller(KeyRole Role);
