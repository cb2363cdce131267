using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>A question whose answer is known.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Question">The question.</param>
/// <param name="Choices">What to choose from, two or more; empty for a question with a free answer.</param>
/// <param name="Answer">The letter of the right choice (A is the first), or the words that a right answer states.</param>
public sealed record KnowledgeQuestion(string Place, string Question, IReadOnlyList<string> Choices, string Answer)
{
    /// <summary>The letters of the choices.</summary>
    public IReadOnlyList<string> Letters => [.. Enumerable.Range(0, Choices.Count).Select(i => ((char)('A' + i)).ToString())];

    /// <summary>What the model is asked.</summary>
    public string Prompt => Choices.Count == 0
        ? Question
        : $"{Question}\n{string.Join('\n', Letters.Zip(Choices, (letter, choice) => $"{letter}. {choice}"))}\nAnswer with the letter only.";
}

/// <summary>Questions that measure what a model knows: MMLU's CSV (question, four choices, the letter of the right one), or JSON rows of a question
/// (<c>held_out_question</c>, <c>question</c>, or the first of <c>questions</c>) and an <c>answer</c>.</summary>
public static class KnowledgeFile
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">A .csv, .json or .jsonl file.</param>
    /// <exception cref="DataRefusedException">It cannot be read, or a row is broken.</exception>
    public static IReadOnlyList<KnowledgeQuestion> Read(string path)
    {
        DataFile file = DataFile.Open(path);
        return path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase) ? ReadChoices(path, file.ReadText()) : file.ReadRows(ReadFact);
    }

    /// <summary>Whether a row states a question and its answer.</summary>
    internal static bool Is(JsonElement row) => QuestionOf(row) is not null && Text(row, "answer") is { Length: > 0 };

    private static KnowledgeQuestion ReadFact(DataPlace place, JsonElement row) =>
        Is(row)
            ? new KnowledgeQuestion(place.Place, QuestionOf(row)!, [], Text(row, "answer")!)
            : throw place.Refuse("the row is no question of knowledge", RowFields.Short(row), "\"question\" (or \"questions\", \"held_out_question\") and \"answer\"", "repair the row, or give MMLU's CSV");

    private static string? QuestionOf(JsonElement row) => Text(row, "held_out_question") ?? Text(row, "question")
        ?? (row.ValueKind == JsonValueKind.Object && row.TryGetProperty("questions", out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.String ? list[0].GetString() : null);

    private static string? Text(JsonElement row, string name) =>
        row.ValueKind == JsonValueKind.Object && row.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static List<KnowledgeQuestion> ReadChoices(string path, string text)
    {
        List<KnowledgeQuestion> questions = [];
        foreach ((int line, string[] fields) in Records(text))
        {
            int right = fields.Length < 4 || fields[^1].Trim().Length != 1 ? -1 : fields[^1].Trim()[0] - 'A';
            if (right < 0 || right >= fields.Length - 2 || fields.Length > 28)
            {
                throw new DataPlace(path, $"line {line}").Refuse("the line is no multiple-choice question", $"{fields.Length} fields, the last one \"{fields[^1]}\"", "a question, its choices, and the letter of the right one", "repair the line; texts with commas stand in quotation marks");
            }
            questions.Add(new KnowledgeQuestion($"line {line}", fields[0], fields[1..^1], fields[^1].Trim()));
        }
        return questions.Count > 0 ? questions : throw new DataRefusedException("the file holds no question", path, "no line", "a question a line", "name another file");
    }

    /// <summary>The records of RFC 4180: fields in quotation marks may hold commas, line ends and doubled quotation marks.</summary>
    private static IEnumerable<(int Line, string[] Fields)> Records(string text)
    {
        List<string> fields = [];
        StringBuilder field = new();
        bool quoted = false;
        (int line, int start) = (1, 1);
        for (int i = 0; i < text.Length; i++)
        {
            char letter = text[i];
            line += letter == '\n' ? 1 : 0;
            if (letter == '"' && quoted && i + 1 < text.Length && text[i + 1] == '"')
            {
                field.Append(text[++i]);
            }
            // Inside a field that does not start with one, a quotation mark is a letter as any other.
            else if (letter == '"' && (quoted || field.Length == 0))
            {
                quoted = !quoted;
            }
            else if (!quoted && (letter is ',' or '\n'))
            {
                fields.Add(field.ToString().TrimEnd('\r'));
                field.Clear();
                if (letter == '\n')
                {
                    yield return (start, [.. fields]);
                    fields.Clear();
                    start = line;
                }
            }
            else
            {
                field.Append(letter);
            }
        }
        if (field.Length > 0 || fields.Count > 0)
        {
            yield return (start, [.. fields, field.ToString()]);
        }
    }
}
