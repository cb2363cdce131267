namespace AlignerOnnx.Training;

/// <summary>
/// A preference data set read from a file: JSON lines, one JSON array (both also in gzip) or Parquet. Each row is told by its fields: TRL's <c>prompt</c>, <c>chosen</c> and <c>rejected</c>
/// (texts, or lists of messages; without <c>prompt</c> it is what both answers begin with), OpenAI's <c>input</c>, <c>preferred_output</c> and <c>non_preferred_output</c>, or
/// LLaMA-Factory's <c>instruction</c> or <c>conversations</c> with <c>chosen</c> and <c>rejected</c>, or PKU-SafeRLHF's <c>response_0</c>, <c>response_1</c> and <c>safer_response_id</c>.
/// </summary>
public sealed class PreferenceDataSet
{
    private PreferenceDataSet(string path, IReadOnlyList<PreferenceRow> rows, string dataHash)
    {
        Path = path;
        Rows = rows;
        DataHash = dataHash;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The rows in file order; at least one.</summary>
    public IReadOnlyList<PreferenceRow> Rows { get; }

    /// <summary>SHA-256 over the bytes of the file, 64 lower-case hexadecimal digits: what <c>sha256sum</c> prints.</summary>
    public string DataHash { get; }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How rows are read; null takes the defaults.</param>
    /// <returns>The rows, not tokenised.</returns>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">The file is missing, too large, damaged or empty, or a row is broken; the message names the line.</exception>
    public static PreferenceDataSet Read(string path, DataReadingOptions? options = null) => Read(DataFile.Open(path), options ?? new DataReadingOptions());

    internal static PreferenceDataSet Read(DataFile file, DataReadingOptions options) => new(file.Path, file.ReadRows((place, row) => PreferenceShapes.Read(place, row, options)), file.Hash);
}
