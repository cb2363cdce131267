namespace AlignerOnnx.Training;

/// <summary>Rows to measure, read once: supervised rows, or pairs of answers.</summary>
/// <param name="Answers">The supervised rows; of pairs, the prompts with their preferred answers.</param>
/// <param name="Pairs">The pairs; null where the rows are supervised ones.</param>
public sealed record EvaluationData(ConversationDataSet Answers, PreferenceDataSet? Pairs)
{
    /// <summary>Reads a file; its first row says of which kind it is.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">The file is missing, too large, damaged or empty, or a row is broken; the message names the line.</exception>
    public static EvaluationData Read(string path)
    {
        DataFile file = DataFile.Open(path);
        DataReadingOptions reading = new();
        PreferenceDataSet? pairs = file.ReadRows((_, row) => RowShapes.IsPreference(row))[0] ? PreferenceDataSet.Read(file, reading) : null;
        return new EvaluationData(pairs is null ? ConversationDataSet.Read(file, reading) : ConversationDataSet.OfPreferred(pairs, reading), pairs);
    }
}
