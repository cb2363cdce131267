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
    private const int Version = 2;
    private readonly int[] _counts;

    public ReferenceCache(string modelHash, string referenceHash, IReadOnlyList<TrainingExample> rows)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.ASCII.GetBytes($"{Version} {modelHash} {referenceHash} {rows.Count}\n"));
        foreach (TrainingExample row in rows)
        {
            hash.AppendData(BitConverter.GetBytes(row.InputIds.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(row.InputIds));
            hash.AppendData(MemoryMarshal.AsBytes<int>(row.Labels));
        }
        _counts = [.. rows.Select(row => row.TargetCount)];
        Path = System.IO.Path.Combine(ModelCache.Root(), "references", $"{Convert.ToHexStringLower(hash.GetHashAndReset())}.safetensors");
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What an earlier run kept, row by row; null where there is nothing that can be used.</summary>
    public IReadOnlyList<float[]>? Read()
    {
        if (!File.Exists(Path))
        {
            return null;
        }
        try
        {
            int count = _counts.Sum();
            float[] values = SafetensorsFile.Read(Path, ((long)count * sizeof(float)) + 4096)[Values].ToSingles();
            return values.Length == count && values.All(float.IsFinite) ? Split(values) : null;
        }
        catch (Exception damage) when (damage is RefusedException or IOException or KeyNotFoundException or InvalidOperationException or UnauthorizedAccessException)
        {
            // It is computed again and replaced.
            return null;
        }
    }

    /// <summary>Keeps values for later runs. A cache that cannot be written costs only their time.</summary>
    public void Write(IReadOnlyList<float[]> rows)
    {
        float[] values = [.. rows.SelectMany(row => row)];
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

    private float[][] Split(float[] values)
    {
        int start = 0;
        return [.. _counts.Select(count => values[start..(start += count)])];
    }
}
