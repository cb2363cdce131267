namespace AlignerOnnx.Serving;

/// <summary>Which jobs a list is to have: those with every <c>metadata[key]=value</c> of the query, or with <c>metadata=null</c> those without any.
/// Keys that differ in case alone are one name of a query to ASP.NET, so that they cannot be asked for at once: that is refused as a key given twice.</summary>
internal static class JobFilter
{
    private const string Field = "metadata";

    internal static IEnumerable<Job> Of(IEnumerable<Job> jobs, IQueryCollection query)
    {
        (string? Key, string Value)[] asked = [.. query.Keys.Where(IsFilter).Select(name => (KeyOf(name), Query.Text(query, name)!))];
        if (asked.Any(filter => filter is { Key: null, Value: not "null" }))
        {
            throw ApiException.Invalid("metadata must be null, for jobs without any, or be asked for as metadata[key]=value.", Field);
        }
        return jobs.Where(job => asked.All(filter => filter.Key is null ? job.Metadata is not { Count: > 0 } : job.Metadata?.GetValueOrDefault(filter.Key) == filter.Value));
    }

    internal static bool IsFilter(string name) => name == Field || KeyOf(name) is not null;

    private static string? KeyOf(string name) => name.StartsWith($"{Field}[", StringComparison.Ordinal) && name.EndsWith(']') ? name[(Field.Length + 1)..^1] : null;
}
