namespace AlignerOnnx.Training;

/// <summary>What became of the rows of a data set.</summary>
/// <param name="Rows">Rows kept.</param>
/// <param name="Tokens">Tokens of the rows kept, prompts included.</param>
/// <param name="CompletionTokens">Tokens that the loss counts.</param>
/// <param name="Truncated">Rows kept whose end was cut at the maximum length.</param>
/// <param name="SplitEncodings">Rows whose prompt tokens are not a prefix of the tokens of the whole text, so prompt and completion were encoded apart.</param>
/// <param name="Dropped">Rows left out, each with its reason.</param>
public sealed record DataReport(int Rows, long Tokens, long CompletionTokens, int Truncated, int SplitEncodings, IReadOnlyList<DroppedRow> Dropped)
{
    /// <summary>Rows of the file by the shape that they are written in.</summary>
    public IReadOnlyDictionary<string, int> Shapes { get; init; } = new Dictionary<string, int>();

    /// <summary>Where the first rows stand that were cut, at most <see cref="DroppedRows.ShownPlaces"/>.</summary>
    public IReadOnlyList<string> FirstTruncated { get; init; } = [];

    /// <summary>Why rows were left out, the most frequent reason first.</summary>
    public IReadOnlyList<DroppedRows> DroppedByReason => [.. Dropped.GroupBy(row => row.Reason)
        .Select(group => new DroppedRows(group.Key, group.Count(), [.. group.Take(DroppedRows.ShownPlaces).Select(row => row.Place)]))
        .OrderByDescending(group => group.Rows)];
}

/// <summary>A row that was left out.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Reason">Why it was left out.</param>
public sealed record DroppedRow(string Place, string Reason);

/// <summary>The rows that were left out for one reason.</summary>
/// <param name="Reason">The reason.</param>
/// <param name="Rows">How many.</param>
/// <param name="FirstPlaces">Where the first of them stand, at most <see cref="ShownPlaces"/>.</param>
public sealed record DroppedRows(string Reason, int Rows, IReadOnlyList<string> FirstPlaces)
{
    /// <summary>How many places are named.</summary>
    public const int ShownPlaces = 3;
}

/// <summary>A data set ready for training.</summary>
/// <param name="Examples">The tokenised rows in file order, at least one.</param>
/// <param name="Report">What became of the rows.</param>
/// <param name="DataHash">SHA-256 of the file, see <see cref="ConversationDataSet.DataHash"/>.</param>
public sealed record EncodedDataSet(IReadOnlyList<TrainingExample> Examples, DataReport Report, string DataHash);
