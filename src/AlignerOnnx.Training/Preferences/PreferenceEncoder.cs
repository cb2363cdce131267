using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Turns preference rows into pairs of tokenised answers, as <see cref="ConversationEncoder"/> does with supervised rows.</summary>
/// <param name="rows">Encodes one answer.</param>
public sealed class PreferenceEncoder(ConversationEncoder rows)
{
    private const string Same = "both answers are the same";

    /// <summary>Encodes a whole data set.</summary>
    /// <param name="data">The rows.</param>
    /// <returns>Pairs, report and hash.</returns>
    /// <exception cref="DataRefusedException">A token id is outside the vocabulary, or no pair is left.</exception>
    public EncodedPreferences Encode(PreferenceDataSet data)
    {
        ArgumentNullException.ThrowIfNull(data);
        List<PreferencePair> pairs = [];
        List<DroppedRow> dropped = [];
        List<string> truncated = [];
        int split = 0;
        foreach (PreferenceRow row in data.Rows)
        {
            EncodedRow chosen = rows.EncodeRow(data.Path, row.Chosen);
            EncodedRow rejected = rows.EncodeRow(data.Path, row.Rejected);
            if (ReasonToDrop(chosen, rejected) is string reason)
            {
                dropped.Add(new DroppedRow(row.Place, reason));
                continue;
            }
            pairs.Add(new PreferencePair(chosen.Example!, rejected.Example!));
            if (chosen.Truncated || rejected.Truncated)
            {
                truncated.Add(row.Place);
            }
            split += chosen.Split || rejected.Split ? 1 : 0;
        }
        return pairs.Count == 0
            ? throw new DataRefusedException("no pair of the data set can be learnt", data.Path, $"{dropped.Count} rows dropped; {dropped[0].Place}: {dropped[0].Reason}", "at least one row with two different answers", "raise the maximum length, or repair the rows")
            : new EncodedPreferences(pairs, Report(data, pairs, dropped, truncated, split), data.DataHash);
    }

    private static DataReport Report(PreferenceDataSet data, List<PreferencePair> pairs, List<DroppedRow> dropped, List<string> truncated, int split) =>
        new(pairs.Count, pairs.Sum(pair => pair.TokenCount), pairs.Sum(pair => (long)pair.Chosen.TargetCount + pair.Rejected.TargetCount), truncated.Count, split, dropped)
        {
            Shapes = data.Rows.CountBy(row => row.Shape).ToDictionary(),
            FirstTruncated = [.. truncated.Take(DroppedRows.ShownPlaces)],
        };

    private static string? ReasonToDrop(EncodedRow chosen, EncodedRow rejected) =>
        chosen.Reason ?? rejected.Reason ?? (chosen.Example!.InputIds.AsSpan().SequenceEqual(rejected.Example!.InputIds) ? Same : null);
}

/// <summary>A preference data set ready for training.</summary>
/// <param name="Pairs">The tokenised pairs in file order, at least one.</param>
/// <param name="Report">What became of the rows.</param>
/// <param name="DataHash">SHA-256 of the file.</param>
public sealed record EncodedPreferences(IReadOnlyList<PreferencePair> Pairs, DataReport Report, string DataHash);
