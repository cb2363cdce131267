using System.Globalization;

namespace AlignerOnnx.Serving;

/// <summary>Pages of a list: <c>limit</c> and <c>after</c> as in OpenAI's API.</summary>
internal static class Page
{
    private const int Most = 10_000;

    /// <summary>The page that a query asks for.</summary>
    /// <param name="all">The whole list.</param>
    /// <param name="id">What <c>after</c> names.</param>
    /// <param name="query">The query.</param>
    /// <param name="isFilter">Which further parameters chose the list; none where it is null. All others are refused: a filter that is left out gives a wrong list.</param>
    internal static ListObject<T> Of<T>(IReadOnlyList<T> all, Func<T, string> id, IQueryCollection query, Func<string, bool>? isFilter = null)
    {
        if (query.Keys.FirstOrDefault(name => name is not ("limit" or "after") && isFilter?.Invoke(name) is not true) is { } unknown)
        {
            throw ApiException.Unsupported(unknown);
        }
        int limit = Query.Text(query, "limit") is { } text ? Limit(text) : Most;
        IEnumerable<T> rest = all;
        if (Query.Text(query, "after") is { Length: > 0 } after)
        {
            rest = all.SkipWhile(item => id(item) != after).Skip(1);
        }
        T[] page = [.. rest.Take(limit)];
        return new ListObject<T>(page)
        {
            FirstId = page is [] ? null : id(page[0]),
            LastId = page is [] ? null : id(page[^1]),
            HasMore = page.Length > 0 && id(page[^1]) != id(all[^1]),
        };
    }

    private static int Limit(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int limit) && limit is >= 1 and <= Most
        ? limit
        : throw ApiException.Invalid($"limit is '{text}'; expected 1 to {Most}.", "limit");
}
