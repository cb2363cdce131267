using System.Net;

namespace AlignerOnnx.Serving;

/// <summary>Decides which addresses the server may listen on.</summary>
public static class ListenAddress
{
    /// <summary>Why the server may not listen on these addresses, and what would do.</summary>
    /// <param name="urls">The addresses.</param>
    /// <param name="hasKey">Whether clients need an API key.</param>
    /// <returns>One sentence; null where the server may.</returns>
    public static string? ProblemOf(IReadOnlyList<string> urls, bool hasKey)
    {
        ArgumentNullException.ThrowIfNull(urls);
        return urls.Count == 0
            ? "There is no address to listen on; give at least one, such as http://127.0.0.1:5080."
            : urls.Select(url => ProblemOf(url, hasKey)).FirstOrDefault(problem => problem is not null);
    }

    private static string? ProblemOf(string url, bool hasKey) => HostOf(url) switch
    {
        null => $"'{url}' is not an address that this server can listen on; it must be http://HOST:PORT (for https, put a reverse proxy before it).",
        string host when !hasKey && !IsLoopback(host) => $"{url} can be reached from other machines, so an API key is needed: give one (--api-key or --keys), or listen on a loopback address such as http://127.0.0.1:5080.",
        _ => null,
    };

    internal static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>The host of an address of the form http://HOST:PORT; null of any other.</summary>
    private static string? HostOf(string url)
    {
        try
        {
            BindingAddress address = BindingAddress.Parse(url);
            bool accepted = !address.IsUnixPipe && !address.IsNamedPipe && address.Scheme.Equals("http", StringComparison.OrdinalIgnoreCase) && address.PathBase.Length == 0;
            return accepted ? address.Host : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
