using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Tokenised data on disk, named by the SHA-256 of all that it depends on: the data file, how it is read and cut, and the model's tokenizer and chat template.
/// With it the first step need not wait for GenAI, which loads a whole model for its tokenizer.</summary>
internal sealed class EncodedDataCache
{
    /// <summary>Raised whenever the same rows would become other tokens.</summary>
    private const int Version = 1;

    private const long MaximumFile = 1L << 30;
    private const int Kept = 50;

    private readonly string _path;

    public EncodedDataCache(string modelFolder, ConversationDataSet data, int maximumLength, LossOn lossOn)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{Version} {data.DataHash} {data.Reading.PromptStyle} {maximumLength} {lossOn}\n"));
        // A set may hold some rows of its file only.
        hash.AppendData(Encoding.UTF8.GetBytes(string.Join('\n', data.Rows.Select(row => row.Place))));
        foreach (FileInfo file in TokenizerFiles(modelFolder))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{file.Name} {file.Length}\n"));
            hash.AppendData(File.ReadAllBytes(file.FullName));
        }
        _path = Path.Combine(ModelCache.Root(), "data", $"{Convert.ToHexStringLower(hash.GetHashAndReset())}.json");
    }

    /// <summary>What an earlier run kept; null where there is nothing that can be used.</summary>
    public EncodedDataSet? Read()
    {
        try
        {
            return File.Exists(_path) && new FileInfo(_path).Length <= MaximumFile && JsonSerializer.Deserialize<EncodedDataSet>(File.ReadAllBytes(_path)) is { Examples.Count: > 0 } set && set.Examples.All(IsSound) ? set : null;
        }
        catch (Exception damage) when (damage is JsonException or IOException or UnauthorizedAccessException or NotSupportedException)
        {
            // It is made again and replaced.
            return null;
        }
    }

    /// <summary>Keeps a set for later runs, and of all sets the newest. A cache that cannot be written costs only time.</summary>
    public void Write(EncodedDataSet set)
    {
        try
        {
            AtomicOutput.WriteFile(_path, stream => JsonSerializer.Serialize(stream, set));
            foreach (FileInfo old in new DirectoryInfo(Path.GetDirectoryName(_path)!).GetFiles("*.json").OrderByDescending(file => file.LastWriteTimeUtc).Skip(Kept))
            {
                old.Delete();
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The next run makes it again.
        }
    }

    /// <summary>Every small file of the folder besides the graph: names differ between tokenizers.</summary>
    private static IEnumerable<FileInfo> TokenizerFiles(string folder) => new DirectoryInfo(folder).EnumerateFiles()
        .Where(file => file.Extension is ".json" or ".jinja" or ".txt" or ".model" or ".tiktoken" && file.Length < 128 << 20)
        .OrderBy(file => file.Name, StringComparer.Ordinal);

    private static bool IsSound(TrainingExample row) =>
        row.InputIds is { Length: > 0 } ids && row.Labels?.Length == ids.Length && ids.All(id => id >= 0) && row.Labels.Zip(ids).All(pair => pair.First == TrainingExample.IgnoredLabel || pair.First == pair.Second);
}
