using System.Net;

namespace AlignerOnnx.Serving;

/// <summary>Decides which addresses the server may listen on.</summary>
internal static class ListenAddress
{
    internal static void Check(IReadOnlyList<string> urls, bool hasKey)
    {
        if (urls.Count == 0)
        {
            throw new ArgumentException("No address to listen on; give at least one, such as http://127.0.0.1:5080.");
        }
        foreach (string url in urls)
        {
            string host = HostOf(url);
            if (!hasKey && !IsLoopback(host))
            {
                throw new ArgumentException(
                    $"{url} can be reached from other machines, so an API key is needed\n  what to do: give a key (--api-key or --keys), or listen on a loopback address such as http://127.0.0.1:5080");
            }
        }
    }

    internal static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private static string HostOf(string url)
    {
        try
        {
            BindingAddress address = BindingAddress.Parse(url);
            if (!address.IsUnixPipe && !address.IsNamedPipe && address.Scheme.Equals("http", StringComparison.OrdinalIgnoreCase) && address.PathBase.Length == 0)
            {
                return address.Host;
            }
        }
        catch (FormatException)
        {
            // Falls through to the message that says what is accepted.
        }
        throw new ArgumentException($"{url} is not an address this server can listen on\n  expected: http://HOST:PORT\n  what to do: name such an address; for https, put a reverse proxy before it");
    }
}
