namespace AlignerOnnx.Training;

/// <summary>What became of the rows of a data set.</summary>
/// <param name="Rows">Rows kept.</param>
/// <param name="Tokens">Tokens of the rows kept, prompts included.</param>
/// <param name="CompletionTokens">Tokens that the loss counts.</param>
/// <param name="Truncated">Rows kept whose end was cut at the maximum length.</param>
/// <param name="SplitEncodings">Rows whose prompt tokens are not a prefix of the tokens of the whole text, so prompt and completion were encoded apart.</param>
/// <param name="Dropped">Rows left out, each with its reason.</param>
public sealed record DataReport(int Rows, long Tokens, long CompletionTokens, int Truncated, int SplitEncodings, IReadOnlyList<DroppedRow> Dropped);

/// <summary>A row that was left out.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Reason">Why it was left out.</param>
public sealed record DroppedRow(string Place, string Reason);

/// <summary>A data set ready for training.</summary>
/// <param name="Examples">The tokenised rows in file order, at least one.</param>
/// <param name="Report">What became of the rows.</param>
/// <param name="DataHash">SHA-256 of the file, see <see cref="ConversationDataSet.DataHash"/>.</param>
public sealed record EncodedDataSet(IReadOnlyList<TrainingExample> Examples, DataReport Report, string DataHash);
