namespace AlignerOnnx.Cli;

/// <summary>Words that stand behind a number.</summary>
internal static class Plural
{
    /// <summary>The word itself for one, else its plural.</summary>
    public static string Of(string word, long count) => count == 1 ? word : $"{word}s";
}
