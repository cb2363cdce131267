namespace AlignerOnnx.Training;

/// <summary>Answers as plain text, without a chat template.</summary>
internal static class TextPreference
{
    public static DataRow Row(string place, string prompt, string answer) => answer.Length == 0 ? new UnusableRow(place, "an answer is empty") : new TextRow(place, prompt, answer);
}
