using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>Adapters at scales of their own, and several at once, for a request that asks for them. A blend is made when it is first asked for and stays resident like a version.</summary>
internal static class AdapterBlending
{
    private const int Most = 8;
    private const double LargestScale = 10;

    internal static ModelLease Acquire(AdapterRegistry registry, string name, IReadOnlyList<AdapterPart> asked)
    {
        if (asked.Count > Most)
        {
            throw ApiException.Invalid($"The request blends {asked.Count} adapters; at most {Most} are allowed.", "adapters");
        }
        Leases leases = new();
        try
        {
            (AdapterVersion Version, double Scale)[] parts = [.. asked.Select((part, index) => Part(registry, part, index, leases))];
            string key = KeyOf(parts);
            leases.Add(Hold(registry, key, parts, asked));
            return new ModelLease(name, parts, key, leases);
        }
        catch
        {
            leases.Dispose();
            throw;
        }
    }

    private static (AdapterVersion Version, double Scale) Part(AdapterRegistry registry, AdapterPart? part, int index, Leases leases)
    {
        string id = part?.Id ?? throw ApiException.Invalid("The adapter has no id.", $"adapters[{index}].id");
        double scale = part.Scale ?? 1;
        if (!(Math.Abs(scale) <= LargestScale))
        {
            throw ApiException.Invalid($"scale is {scale}; expected {-LargestScale} to {LargestScale}.", $"adapters[{index}].scale");
        }
        (AdapterVersion version, IDisposable lease) = registry.Acquire(id) 
            ?? throw new ApiException(StatusCodes.Status404NotFound, $"There is no adapter '{id}'. GET /v1/models lists those that are served.", $"adapters[{index}].id", "adapter_not_found");
        leases.Add(lease);
        return (version, scale);
    }

    private static IDisposable Hold(AdapterRegistry registry, string key, IReadOnlyList<(AdapterVersion Version, double Scale)> parts, IReadOnlyList<AdapterPart> asked)
    {
        string? staging = null;
        try
        {
            return registry.Resident.Acquire(key, () => Blend(registry, parts, staging = registry.NewStagingFolder()));
        }
        catch (AdapterRefusedException e)
        {
            // The files are the server's own, and the refusal may be that of another request for the same values; the caller knows the adapters by the names in this request.
            int refused = parts.Select(part => registry.Folding.Compiled(part.Version)).ToList().IndexOf(e.Where!);
            throw refused < 0
                ? ApiException.Refused(e, string.Join(", ", asked.Select(part => part.Id)), "adapters")
                : ApiException.Refused(e, asked[refused].Id!, $"adapters[{refused}].id");
        }
        finally
        {
            Remove(staging);
        }
    }

    private static string Blend(AdapterRegistry registry, IReadOnlyList<(AdapterVersion Version, double Scale)> parts, string folder)
    {
        string path = Path.Combine(folder, "blend.onnx_adapter");
        AdapterBlend.Write([.. parts.Select(part => (registry.Folding.Compiled(part.Version), part.Scale))], path);
        return path;
    }

    /// <summary>The engine holds the values, or there are none; the file has served its purpose. Where the system keeps a mapped file, the next start removes it.</summary>
    private static void Remove(string? folder)
    {
        try
        {
            if (folder is not null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In use on Windows.
        }
    }

    /// <summary>Names the values, as a version's digest does.</summary>
    private static string KeyOf(IEnumerable<(AdapterVersion Version, double Scale)> parts) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Concat(parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Version.Digest} {part.Scale:R}\n"))))));

    private sealed class Leases : IDisposable
    {
        private readonly List<IDisposable> _held = [];

        internal void Add(IDisposable lease) => _held.Add(lease);

        public void Dispose() => _held.ForEach(lease => lease.Dispose());
    }
}
