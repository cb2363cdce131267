using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"input_ids": [..], "labels": [..]}</c>: already tokenised, -100 = not learnt.</summary>
internal sealed class TokensShape : IRowShape
{
    public string Name => "tokens";

    public string Fields => "\"input_ids\" and \"labels\"";

    public bool Fits(JsonElement row) => row.TryGetProperty("input_ids", out _);

    public DataRow Read(RowFields row)
    {
        int[] inputIds = ReadIntegers(row, "input_ids", lowest: 0);
        int[] labels = ReadIntegers(row, "labels", TrainingExample.IgnoredLabel);
        if (inputIds.Length == 0 || inputIds.Length != labels.Length)
        {
            throw row.Where.Refuse("input_ids and labels do not match", $"{inputIds.Length} and {labels.Length} entries", "two lists of one length, not empty", "write one label for each token");
        }
        for (int t = 0; t < labels.Length; t++)
        {
            if (labels[t] != TrainingExample.IgnoredLabel && labels[t] != inputIds[t])
            {
                throw row.Where.Refuse($"labels[{t}] is not its token", $"{labels[t]}", $"{inputIds[t]} or -100", "write labels that are not shifted; the loss shifts them");
            }
        }
        return new TokenRow(row.Place, inputIds, labels);
    }

    private static int[] ReadIntegers(RowFields row, string field, int lowest)
    {
        (_, JsonElement list) = row.Require(field);
        if (list.ValueKind != JsonValueKind.Array)
        {
            throw row.Where.Refuse($"\"{field}\" is not a list", list.ValueKind.ToString(), "a list of integers", "repair the row");
        }
        int[] values = new int[list.GetArrayLength()];
        int index = 0;
        foreach (JsonElement element in list.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int value) || value < lowest)
            {
                throw row.Where.Refuse($"{field}[{index}] is not a token id", RowFields.Short(element), $"an integer of {lowest} or more", "repair the row");
            }
            values[index++] = value;
        }
        return values;
    }
}
