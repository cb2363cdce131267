using System.Security.Cryptography;
using System.Text;

namespace AlignerOnnx.Serving;

/// <summary>Lets a request in: by its key and role where there are keys, else only under a loopback host name.</summary>
internal sealed class AccessControl(IReadOnlyList<ApiKey> keys)
{
    // Hashes are compared, so that the time says nothing about a key, not even its length.
    private readonly (byte[] Hash, ApiKey Key)[] _keys = [.. keys.Select(key => (Convert.FromHexString(key.Sha256), key))];

    internal void Require(HttpContext context)
    {
        RequireOwnPage(context.Request);
        // What says nothing about itself is for administrators.
        KeyRole? role = context.GetEndpoint()?.Metadata.GetMetadata<RequiredRole>() is { } required ? required.Role : KeyRole.Admin;
        if (role is not { } needed)
        {
            return;
        }
        if (_keys.Length == 0)
        {
            RequireLoopbackName(context.Request);
            context.Features.Set(new Caller(KeyRole.Admin));
            return;
        }
        ApiKey key = Find(KeyOf(context.Request)) ?? throw Unauthorized(context);
        if (key.Role < needed)
        {
            throw new ApiException(StatusCodes.Status403Forbidden, $"This key has the role {Name(key.Role)}; {context.Request.Method} {context.Request.Path} needs {Name(needed)}.", code: "insufficient_role");
        }
        context.Features.Set(new Caller(key.Role));
    }

    /// <summary>Goes through all keys whichever matches, so that the time does not tell which.</summary>
    private ApiKey? Find(string key)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        ApiKey? found = null;
        foreach ((byte[] expected, ApiKey candidate) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, expected))
            {
                found = candidate;
            }
        }
        return found;
    }

    /// <summary>A bearer token, or the password that a browser asks for on the page.</summary>
    private static string KeyOf(HttpRequest request)
    {
        string header = request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return header["Bearer ".Length..].Trim();
        }
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return "";
        }
        byte[] buffer = new byte[header.Length];
        return Convert.TryFromBase64String(header["Basic ".Length..].Trim(), buffer, out int count)
            ? Encoding.UTF8.GetString(buffer, 0, count) is var pair && pair.IndexOf(':', StringComparison.Ordinal) is >= 0 and int colon ? pair[(colon + 1)..] : ""
            : "";
    }

    private static ApiException Unauthorized(HttpContext context)
    {
        bool browser = context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);
        context.Response.Headers.WWWAuthenticate = browser ? "Basic realm=\"AlignerOnnx: any user, the API key as password\"" : "Bearer";
        return new ApiException(StatusCodes.Status401Unauthorized, "A valid API key is needed: Authorization: Bearer KEY.", code: "invalid_api_key");
    }

    /// <summary>A page of another origin may make a browser send requests here; what it sends names that origin.</summary>
    private static void RequireOwnPage(HttpRequest request)
    {
        string origin = request.Headers.Origin.ToString();
        if (origin.Length > 0 && !(Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) && uri.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase)))
        {
            throw new ApiException(StatusCodes.Status403Forbidden, "Requests from pages of other origins are not served.", code: "origin_not_allowed");
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

    private static string Name(KeyRole role) => role.ToString().ToLowerInvariant();
}

/// <summary>What a route asks of its caller.</summary>
/// <param name="Role">The least role; null for none at all.</param>
internal sealed record RequiredRole(KeyRole? Role);

/// <summary>How routes say what they ask of their caller.</summary>
internal static class RouteRoles
{
    internal static TBuilder For<TBuilder>(this TBuilder route, KeyRole role) where TBuilder : IEndpointConventionBuilder => route.WithMetadata(new RequiredRole(role));

    internal static TBuilder ForAnyone<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder => route.WithMetadata(new RequiredRole(null));
}
