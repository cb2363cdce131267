using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The reference's log-probabilities of one data set on disk, named by the SHA-256 of all that they depend on: the model, the reference, and every token of the data, which the
/// file, the chat template and the maximum length made.</summary>
internal sealed class ReferenceCache
{
    private const string Values = "log_probabilities";
    private const int Version = 1;
    private readonly int _count;

    public ReferenceCache(string modelHash, string referenceHash, IReadOnlyList<PreferencePair> pairs)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.ASCII.GetBytes($"{Version} {modelHash} {referenceHash} {pairs.Count}\n"));
        foreach (TrainingExample answer in pairs.SelectMany(pair => new[] { pair.Chosen, pair.Rejected }))
        {
            hash.AppendData(BitConverter.GetBytes(answer.InputIds.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(answer.InputIds));
            hash.AppendData(MemoryMarshal.AsBytes<int>(answer.Labels));
        }
        _count = 2 * pairs.Count;
        Path = System.IO.Path.Combine(ModelCache.Root(), "references", $"{Convert.ToHexStringLower(hash.GetHashAndReset())}.safetensors");
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What an earlier run kept; null where there is nothing that can be used.</summary>
    public float[]? Read()
    {
        if (!File.Exists(Path))
        {
            return null;
        }
        try
        {
            float[] values = SafetensorsFile.Read(Path, (_count * sizeof(float)) + 4096)[Values].ToSingles();
            return values.Length == _count && values.All(float.IsFinite) ? values : null;
        }
        catch (Exception damage) when (damage is RefusedException or IOException or KeyNotFoundException or InvalidOperationException or UnauthorizedAccessException)
        {
            // It is computed again and replaced.
            return null;
        }
    }

    /// <summary>Keeps values for later runs. A cache that cannot be written costs only their time.</summary>
    public void Write(float[] values)
    {
        try
        {
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!);
            AtomicOutput.WriteFile(Path, stream => SafetensorsFile.Write(stream, [SafetensorsTensor.Of(Values, values, values.Length)]));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The next run computes them again.
        }
    }
}
