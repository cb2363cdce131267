namespace AlignerOnnx.Training;

/// <summary>Packs rows into lines as long as the longest row, the longest first into the first line with room, so that little is padding.</summary>
internal static class RowPacking
{
    /// <summary>The place of every row, line by line, within a line from the left.</summary>
    public static IReadOnlyList<RowPlace> Pack(IReadOnlyList<TrainingExample> rows)
    {
        int length = rows.Max(row => row.InputIds.Length);
        List<(int Used, int Rows)> lines = [];
        List<RowPlace> places = [];
        // A stable order: the same rows give the same batch, which resuming relies on.
        foreach (int row in Enumerable.Range(0, rows.Count).OrderByDescending(row => rows[row].InputIds.Length))
        {
            int size = rows[row].InputIds.Length;
            int line = lines.FindIndex(candidate => candidate.Used + size <= length);
            if (line < 0)
            {
                line = lines.Count;
                lines.Add((0, 0));
            }
            (int used, int number) = lines[line];
            lines[line] = (used + size, number + 1);
            places.Add(new RowPlace(row, line, used, number + 1));
        }
        return [.. places.OrderBy(place => place.Line).ThenBy(place => place.Start)];
    }
}

/// <summary>Where a row stands in a batch.</summary>
/// <param name="Row">The row's number.</param>
/// <param name="Line">The line.</param>
/// <param name="Start">Its first place in the line.</param>
/// <param name="Number">Its number within the line, from 1.</param>
internal readonly record struct RowPlace(int Row, int Line, int Start, int Number);
