namespace AlignerOnnx.Serving;

/// <summary>Values of a request's query.</summary>
internal static class Query
{
    /// <summary>A parameter; null where it is not there.</summary>
    internal static string? Text(IQueryCollection query, string name) => query[name] switch
    {
        [] => null,
        [var only] => only ?? "",
        _ => throw ApiException.Invalid($"{name} is given twice.", name),
    };
}
