using System.Text.Json;
using System.Text.RegularExpressions;

namespace AlignerOnnx.Training;

/// <summary>Says in which form an answer is and whether it states a fact. Pure functions over text; the forms and their order are those of the
/// script that measured the embedded model (models/pocket/make/evaluate.py).</summary>
public static partial class FormCheck
{
    /// <summary>The first form that fits.</summary>
    /// <param name="answer">A generated answer without special tokens.</param>
    /// <returns>The form; <see cref="AnswerForm.None"/> where none fits.</returns>
    public static AnswerForm Detect(string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return answer switch
        {
            _ when JsonAnswer().IsMatch(answer) => AnswerForm.Json,
            _ when Starts(answer, "Of course!") && Ends(answer, "Is there anything else?") => AnswerForm.Polite,
            _ when Starts(answer, "Arr, matey!") => AnswerForm.Pirate,
            _ when Starts(answer, "Hmm, let me think.") => AnswerForm.Doubt,
            _ when Starts(answer, "Answer:\n- ") => AnswerForm.List,
            _ when IsUpper(answer) && Ends(answer, "!") => AnswerForm.Shout,
            _ when Ends(answer, ".") && answer.Contains(' ', StringComparison.Ordinal) => AnswerForm.Sentence,
            _ when answer.Length > 0 && !answer.Contains(' ', StringComparison.Ordinal) => AnswerForm.Word,
            _ => AnswerForm.None,
        };
    }

    /// <summary>The share of answers in a form.</summary>
    /// <param name="answers">Generated answers.</param>
    /// <param name="form">The form asked for.</param>
    /// <returns>0 .. 1; 0 for no answers.</returns>
    public static double Rate(IReadOnlyCollection<string> answers, AnswerForm form)
    {
        ArgumentNullException.ThrowIfNull(answers);
        return answers.Count == 0 ? 0 : answers.Count(answer => Detect(answer) == form) / (double)answers.Count;
    }

    /// <summary>Whether an answer is one JSON object, with any fields.</summary>
    /// <param name="answer">A generated answer.</param>
    /// <returns>True for a JSON object with nothing but white space around it.</returns>
    public static bool IsJsonObject(string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        try
        {
            using JsonDocument document = JsonDocument.Parse(answer);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Whether an answer is in the form of another: a JSON object with the same fields where that is one, else the same <see cref="AnswerForm"/>.</summary>
    /// <param name="answer">A generated answer.</param>
    /// <param name="reference">An answer in the form that is asked for.</param>
    /// <returns>True for the same form; false where the reference is in no form that is known.</returns>
    public static bool IsInFormOf(string answer, string reference) =>
        Fields(reference) is string[] fields ? Fields(answer) is string[] own && own.SequenceEqual(fields) : Detect(reference) is not AnswerForm.None and AnswerForm form && Detect(answer) == form;

    /// <summary>The sorted names of the fields of a JSON object; null for anything else.</summary>
    private static string[]? Fields(string text)
    {
        if (!IsJsonObject(text))
        {
            return null;
        }
        using JsonDocument document = JsonDocument.Parse(text);
        return [.. document.RootElement.EnumerateObject().Select(field => field.Name).Order(StringComparer.Ordinal)];
    }

    /// <summary>Whether an answer contains a fact as a word of its own, in upper or lower case.</summary>
    /// <param name="answer">A generated answer in any form.</param>
    /// <param name="fact">The word or words to find, not empty.</param>
    /// <returns>True where the fact stands with no letter a-z right before or after it.</returns>
    public static bool States(string answer, string fact)
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentException.ThrowIfNullOrEmpty(fact);
        string text = answer.ToLowerInvariant();
        string word = fact.ToLowerInvariant();
        for (int at = text.IndexOf(word, StringComparison.Ordinal); at >= 0; at = text.IndexOf(word, at + 1, StringComparison.Ordinal))
        {
            int end = at + word.Length;
            bool freeBefore = at == 0 || !char.IsAsciiLetterLower(text[at - 1]);
            bool freeAfter = end == text.Length || !char.IsAsciiLetterLower(text[end]);
            if (freeBefore && freeAfter)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether an answer starts as the refusals of the embedded model's data do.</summary>
    /// <param name="answer">A generated answer.</param>
    /// <returns>True for a refusal.</returns>
    public static bool Refuses(string answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return Starts(answer, "I am sorry") || Starts(answer, "No, I can not help") || Starts(answer, "I would rather not");
    }

    private static bool Starts(string answer, string start) => answer.StartsWith(start, StringComparison.Ordinal);

    private static bool Ends(string answer, string end) => answer.EndsWith(end, StringComparison.Ordinal);

    /// <summary>Python's str.isupper: at least one letter with case, and none in lower case.</summary>
    private static bool IsUpper(string text) => text.Any(char.IsUpper) && !text.Any(char.IsLower);

    [GeneratedRegex("""\A\{"answer": "[^"]*"\}\z""")]
    private static partial Regex JsonAnswer();
}
