using System.Security.Cryptography;
using System.Text;

namespace AlignerOnnx.Serving;

/// <summary>Lets a request in: by its key where one is set, else only under a loopback host name.</summary>
internal sealed class AccessControl(string? apiKey)
{
    // Hashes are compared, so that the time says nothing about the key, not even its length.
    private readonly byte[]? _expected = apiKey is null ? null : Hash(apiKey);

    internal void Require(HttpRequest request)
    {
        if (_expected is null)
        {
            RequireLoopbackName(request);
            return;
        }
        const string scheme = "Bearer ";
        string header = request.Headers.Authorization.ToString();
        string key = header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) ? header[scheme.Length..] : "";
        if (!CryptographicOperations.FixedTimeEquals(Hash(key), _expected))
        {
            request.HttpContext.Response.Headers.WWWAuthenticate = "Bearer";
            throw new ApiException(StatusCodes.Status401Unauthorized, "A valid API key is needed: Authorization: Bearer KEY.", code: "invalid_api_key");
        }
    }

    /// <summary>A web page can point a name of its own at this machine; without a key, only names that mean loopback are served.</summary>
    private static void RequireLoopbackName(HttpRequest request)
    {
        if (!ListenAddress.IsLoopback(request.Host.Host))
        {
            throw new ApiException(StatusCodes.Status403Forbidden, "Without an API key this server answers only to localhost.", code: "host_not_allowed");
        }
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
