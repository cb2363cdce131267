namespace AlignerOnnx.Training;

/// <summary>
/// A supervised data set read from a file: JSON lines, one JSON array (both also in gzip) or Parquet. Each row is told by its fields: <c>messages</c>,
/// <c>prompt</c> and <c>completion</c>, <c>text</c>, Alpaca's <c>instruction</c>, <c>input</c> and <c>output</c>, ShareGPT's <c>conversations</c>,
/// <c>question</c> and <c>answer</c>, or <c>input_ids</c> and <c>labels</c> (already tokenised, -100 = not learnt).
/// </summary>
public sealed class ConversationDataSet
{
    private ConversationDataSet(string path, IReadOnlyList<DataRow> rows, string dataHash, DataReadingOptions reading)
    {
        Path = path;
        Rows = rows;
        DataHash = dataHash;
        Reading = reading;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The rows in file order, those with nothing to learn too; at least one.</summary>
    public IReadOnlyList<DataRow> Rows { get; }

    /// <summary>SHA-256 over the bytes of the file, 64 lower-case hexadecimal digits: what <c>sha256sum</c> prints.</summary>
    public string DataHash { get; }

    /// <summary>Some of the rows; null where none is left.</summary>
    /// <param name="wanted">Which.</param>
    public ConversationDataSet? Where(Func<DataRow, bool> wanted) => Rows.Where(wanted).ToArray() is { Length: > 0 } rows ? new ConversationDataSet(Path, rows, DataHash, Reading) : null;

    /// <summary>How its rows were read.</summary>
    public DataReadingOptions Reading { get; }

    /// <summary>Reads the preferred answers of a file of pairs (<see cref="PreferenceDataSet"/>).</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How rows are read; null takes the defaults.</param>
    /// <returns>The prompts with their preferred answers, not tokenised.</returns>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">The file is missing, too large, damaged or empty, or a row is broken; the message names the line.</exception>
    public static ConversationDataSet ReadPreferred(string path, DataReadingOptions? options = null)
    {
        DataReadingOptions how = options ?? new DataReadingOptions();
        return OfPreferred(PreferenceDataSet.Read(path, how), how);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How rows are read; null takes the defaults.</param>
    /// <returns>The rows, not tokenised.</returns>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">The file is missing, too large, damaged or empty, or a row is broken; the message names the line.</exception>
    public static ConversationDataSet Read(string path, DataReadingOptions? options = null) => Read(DataFile.Open(path), options ?? new DataReadingOptions());

    internal static ConversationDataSet Read(DataFile file, DataReadingOptions options) => new(file.Path, file.ReadRows((place, row) => RowShapes.Read(place, row, options)), file.Hash, options);

    internal static ConversationDataSet OfPreferred(PreferenceDataSet pairs, DataReadingOptions options) => new(pairs.Path, [.. pairs.Rows.Select(row => row.Chosen with { Shape = row.Shape })], pairs.DataHash, options);
}
