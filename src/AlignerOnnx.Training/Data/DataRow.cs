namespace AlignerOnnx.Training;

/// <summary>One row of a training file, before tokenisation.</summary>
/// <param name="Place">Where it stands in its file, for messages: <c>line 12</c> (JSON lines) or <c>row 12</c> (JSON array); both count from 1.</param>
public abstract record DataRow(string Place)
{
    /// <summary>The shape that it was written in: <c>messages</c>, <c>alpaca</c> and so on; empty where unknown.</summary>
    public string Shape { get; init; } = "";
}

/// <summary>A conversation; the turns from <paramref name="PromptTurns"/> on are learnt, and the <see cref="EarlierAnswers"/> where <see cref="LossOn.Answers"/> asks for them.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Turns">All turns in order; the last one is the assistant's.</param>
/// <param name="PromptTurns">How many leading turns are the prompt: 0 .. <c>Turns.Count - 1</c>.</param>
public sealed record ConversationRow(string Place, IReadOnlyList<ConversationTurn> Turns, int PromptTurns) : DataRow(Place)
{
    /// <summary>The turns before <see cref="PromptTurns"/> that are answers worth learning too, in order.</summary>
    public IReadOnlyList<int> EarlierAnswers { get; init; } = [];
}

/// <summary>Plain text without a chat template; only the completion is learnt.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Prompt">What the model reads.</param>
/// <param name="Completion">What it learns to write, not empty.</param>
public sealed record TextRow(string Place, string Prompt, string Completion) : DataRow(Place);

/// <summary>A row that is already tokenised.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="InputIds">Token ids, 0 or more each.</param>
/// <param name="Labels">As long as <paramref name="InputIds"/>: the token id where it is learnt, else <see cref="TrainingExample.IgnoredLabel"/>.</param>
public sealed record TokenRow(string Place, int[] InputIds, int[] Labels) : DataRow(Place);

/// <summary>A row with nothing to learn.</summary>
/// <param name="Place">Where it stands in its file.</param>
/// <param name="Reason">Why it is left out.</param>
public sealed record UnusableRow(string Place, string Reason) : DataRow(Place);
