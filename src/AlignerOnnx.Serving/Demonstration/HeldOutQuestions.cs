using System.Text.Json;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The held-out questions of one form, with the fact that answers each.</summary>
internal sealed class HeldOutQuestions
{
    private const int MaximumNewTokens = 40;
    private const int Shown = 6;

    private readonly IReadOnlyList<string> _facts;

    private HeldOutQuestions(IReadOnlyList<string> questions, IReadOnlyList<string> facts)
    {
        Questions = questions;
        _facts = facts;
    }

    public IReadOnlyList<string> Questions { get; }

    public static HeldOutQuestions Read(string rowsPath, string factsPath)
    {
        Dictionary<string, string> known = ReadFacts(factsPath);
        string[] questions = [.. ConversationDataSet.Read(rowsPath).Rows.Cast<ConversationRow>().Select(row => row.Turns[row.PromptTurns - 1].Content)];
        return new HeldOutQuestions(questions, [.. questions.Select(question => known.TryGetValue(question, out string? fact)
            ? fact
            : throw new DataRefusedException("A held-out question has no fact", rowsPath, question, $"a question of {factsPath}"))]);
    }

    /// <summary>Answers every question greedily and once more drawn at temperature 1, and measures both.</summary>
    public (AnswerMeasure Measure, IReadOnlyList<string> Greedy) Measure(ChatModel model, string? adapter, AnswerForm form, int seed, CancellationToken cancellation)
    {
        string[] greedy = Answer(model, adapter, 0, seed, cancellation);
        string[] drawn = Answer(model, adapter, 1, seed, cancellation);
        SampleAnswer[] samples = [.. Questions.Zip(drawn).Take(Shown).Select(pair => new SampleAnswer(pair.First, pair.Second, FormCheck.Detect(pair.Second)))];
        return (new AnswerMeasure(FormCheck.Rate(greedy, form), Accuracy(greedy), Count(greedy), FormCheck.Rate(drawn, form), Accuracy(drawn), Count(drawn), samples), greedy);
    }

    private string[] Answer(ChatModel model, string? adapter, float temperature, int seed, CancellationToken cancellation) => SideBySide.Rows(Questions.Count, row => model.Complete(new GenerationRequest
    {
        PromptIds = model.Encode(model.ApplyChatTemplate([new ChatTurn("user", Questions[row])])),
        Adapter = adapter,
        MaxNewTokens = MaximumNewTokens,
        Temperature = temperature,
        Seed = unchecked((seed * 1000) + row) & int.MaxValue,
    }, cancellation), cancellation);

    private double Accuracy(string[] answers) => answers.Zip(_facts).Count(pair => FormCheck.States(pair.First, pair.Second)) / (double)answers.Length;

    private static SortedDictionary<AnswerForm, int> Count(string[] answers) =>
        new(answers.GroupBy(FormCheck.Detect).ToDictionary(group => group.Key, group => group.Count()));

    private static Dictionary<string, string> ReadFacts(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        Dictionary<string, string> facts = new(StringComparer.Ordinal);
        foreach (JsonElement fact in document.RootElement.EnumerateArray())
        {
            foreach (JsonElement question in fact.GetProperty("questions").EnumerateArray())
            {
                facts[question.GetString()!] = fact.GetProperty("answer").GetString()!;
            }
        }
        return facts;
    }
}
