using System.Text.RegularExpressions;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>How answers are generated and checked.</summary>
public sealed record AnswerOptions
{
    /// <summary>The most rows of a file that are answered, the first ones, 1 or more. Default 200.</summary>
    public int Limit { get; init; } = 200;

    /// <summary>0 (the default) takes the likeliest token always; above, tokens are drawn.</summary>
    public double Temperature { get; init; }

    /// <summary>The seed from which every answer gets one of its own. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The most tokens of an answer. Default 128.</summary>
    public int MaximumTokens { get; init; } = 128;

    /// <summary>A regular expression that answers are to match; null checks none.</summary>
    public Regex? Pattern { get; init; }
}

/// <summary>How the answers to the prompts of a file compare with the answers in it; shares are 0 .. 1.</summary>
/// <param name="Rows">Rows that were answered.</param>
/// <param name="ExactMatch">Answers that equal the file's, without white space around them.</param>
/// <param name="Json">Answers that are one JSON object.</param>
/// <param name="Form">Answers in the form of the file's (<see cref="FormCheck.IsInFormOf"/>).</param>
/// <param name="Pattern">Answers that match the pattern; null without one.</param>
/// <param name="First">The first answers.</param>
public sealed record AnswerScores(int Rows, double ExactMatch, double Json, double Form, double? Pattern, IReadOnlyList<string> First);

/// <summary>How many questions of a file were answered rightly.</summary>
/// <param name="Questions">Questions asked.</param>
/// <param name="Correct">Right answers.</param>
/// <param name="Rate">Their share, 0 .. 1.</param>
/// <param name="Method"><c>choices</c> (the likeliest letter) or <c>stated</c> (the answer states the fact).</param>
public sealed record KnowledgeScores(int Questions, int Correct, double Rate, string Method);

/// <summary>Scores the answers that a model generates, with an adapter or without.</summary>
public sealed class AnswerEvaluation : IDisposable
{
    private readonly AnsweringModel _model;
    private readonly AnswerOptions _options;
    // With one seed for all, the same unlikely number would be drawn for the first token of every answer.
    private readonly DeterministicRandom _seeds;

    /// <summary>Loads a model.</summary>
    /// <param name="model">The base model or its patched form.</param>
    /// <param name="adapter">The adapter folder; null for the base model.</param>
    /// <param name="anyBase">Accept an adapter of another quantisation of the model.</param>
    /// <param name="options">How to generate.</param>
    /// <exception cref="RefusedException">Model or adapter cannot be used.</exception>
    public AnswerEvaluation(string model, string? adapter, bool anyBase, AnswerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _seeds = new DeterministicRandom((ulong)options.Seed);
        _model = new AnsweringModel(model, adapter, anyBase);
    }

    /// <summary>Answers the prompts of a supervised file.</summary>
    /// <param name="data">The rows; those without a prompt are left out.</param>
    /// <param name="working">Is told how many are answered.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    /// <exception cref="DataRefusedException">No row has a prompt.</exception>
    public AnswerScores Answers(ConversationDataSet data, Action<WorkProgress>? working = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        (string Prompt, string Expected)[] rows = [.. data.Rows.Select(Asked).OfType<(string, string)>().Take(_options.Limit)];
        if (rows.Length == 0)
        {
            throw new DataRefusedException("no row of the data set can be answered", data.Path, "no prompt", "rows of a prompt and an answer as text", "give conversations, or prompt and completion");
        }
        WorkCounter counter = new("answers", rows.Length, working);
        string[] answers = [.. rows.Select(row => counter.Made(Answer(row.Prompt, cancellation)))];
        return new AnswerScores(
            rows.Length,
            Share((answer, row) => answer.Trim() == row.Expected.Trim()),
            Share((answer, _) => FormCheck.IsJsonObject(answer)),
            Share((answer, row) => FormCheck.IsInFormOf(answer, row.Expected)),
            _options.Pattern is { } pattern ? Share((answer, _) => pattern.IsMatch(answer)) : null,
            [.. answers.Take(3)]);

        double Share(Func<string, (string Prompt, string Expected), bool> holds) => answers.Zip(rows).Count(pair => holds(pair.First, pair.Second)) / (double)answers.Length;
    }

    /// <summary>Asks questions whose answers are known.</summary>
    /// <param name="questions">The questions, at least one.</param>
    /// <param name="working">Is told how many are answered.</param>
    /// <param name="cancellation">Stops the measurement.</param>
    public KnowledgeScores Knowledge(IReadOnlyList<KnowledgeQuestion> questions, Action<WorkProgress>? working = null, CancellationToken cancellation = default)
    {
        KnowledgeQuestion[] asked = [.. questions.Take(_options.Limit)];
        WorkCounter counter = new("questions", asked.Length, working);
        int correct = asked.Count(question => counter.Made(IsRight(question, cancellation)));
        return new KnowledgeScores(asked.Length, correct, correct / (double)asked.Length, asked[0].Choices.Count > 0 ? "choices" : "stated");
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private string Answer(string prompt, CancellationToken cancellation) => _model.Answer(prompt, _options with { Seed = _seeds.NextInt(int.MaxValue) }, cancellation);

    private bool IsRight(KnowledgeQuestion question, CancellationToken cancellation)
    {
        string prompt = _model.PromptOf([new ChatTurn("user", question.Prompt)]);
        return question.Choices.Count > 0
            ? _model.Choose(prompt, question.Letters, cancellation) == question.Answer
            : FormCheck.States(Answer(prompt, cancellation), question.Answer);
    }

    private (string Prompt, string Expected)? Asked(DataRow row) => row switch
    {
        ConversationRow conversation => (_model.PromptOf([.. conversation.Turns.Take(conversation.PromptTurns).Select(turn => new ChatTurn(turn.Role, turn.Content))]), conversation.Turns[^1].Content),
        TextRow { Prompt.Length: > 0 } text => (text.Prompt, text.Completion),
        _ => null,
    };
}
