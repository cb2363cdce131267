using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>What a key may do; each role may do all that the ones before it may.</summary>
public enum KeyRole
{
    /// <summary>Ask models, and see which there are.</summary>
    Use,

    /// <summary>Upload data and run fine-tuning jobs, which publish under new names and those of jobs, besides.</summary>
    Train,

    /// <summary>Publish, alias, roll back, unload and delete adapters, besides.</summary>
    Admin,
}

/// <summary>A key as the server knows it: not the key itself.</summary>
/// <param name="Name">Whose key it is, for logs.</param>
/// <param name="Role">What it may do.</param>
/// <param name="Sha256">The SHA-256 of the key's UTF-8 bytes, 64 hexadecimal digits. Keys made here are 256 random bits, so a fast hash gives nothing away.</param>
public sealed record ApiKey(string Name, KeyRole Role, string Sha256)
{
    /// <summary>The hash of a key.</summary>
    public static string HashOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}

/// <summary>A file of API keys: names, roles and hashes.</summary>
public static class ApiKeyFile
{
    private const long Largest = 1 << 20;

    /// <summary>Reads a file.</summary>
    /// <exception cref="DataRefusedException">It is missing, malformed or empty.</exception>
    public static IReadOnlyList<ApiKey> Read(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: <= Largest })
            {
                List<ApiKey>? keys = JsonSerializer.Deserialize(File.ReadAllBytes(path), ApiKeyJson.Default.ListApiKey);
                if (keys is { Count: > 0 } && keys.All(key => key is { Name.Length: > 0, Sha256.Length: 64 } && key.Sha256.All(char.IsAsciiHexDigit)))
                {
                    return keys;
                }
            }
        }
        catch (JsonException e)
        {
            throw Refused(path, e.Message, e);
        }
        throw Refused(path, File.Exists(path) ? "no keys, or malformed ones" : "no such file", null);
    }

    /// <summary>Makes a new random key and adds its hash to a file, which is made where it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Whose key it is; must be free.</param>
    /// <param name="role">What it may do.</param>
    /// <returns>The key, which nothing keeps.</returns>
    /// <exception cref="DataRefusedException">The file is malformed, or the name is taken.</exception>
    public static string Add(string path, string name, KeyRole role)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        List<ApiKey> keys = File.Exists(path) ? [.. Read(path)] : [];
        if (keys.Any(each => each.Name == name))
        {
            throw new DataRefusedException("A key of that name is there already", path, name, "a free name", "remove that key's entry first");
        }
        string key = $"ak-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32))}";
        keys.Add(new ApiKey(name, role, ApiKey.HashOf(key)));
        AtomicOutput.WriteFile(path, stream => JsonSerializer.Serialize(stream, keys, ApiKeyJson.Default.ListApiKey));
        return key;
    }

    private static DataRefusedException Refused(string path, string found, Exception? inner) =>
        new("The file of API keys cannot be used", path, found, """[{"name": ..., "role": "use" | "train" | "admin", "sha256": ...}, ...]""", "make it with: aligner key add NAME --role ROLE --keys FILE", inner);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, WriteIndented = true, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(List<ApiKey>))]
internal sealed partial class ApiKeyJson : JsonSerializerContext;
