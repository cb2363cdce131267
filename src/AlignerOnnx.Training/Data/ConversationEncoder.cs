using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// Turns rows into tokens with labels on the completion only. The tokens of the templated prompt (with the generation prompt) must be a prefix of the tokens
/// of the whole templated conversation: then the model sees in training exactly what it sees when it generates. Where a tokenizer merges across that border,
/// prompt and completion are encoded apart.
/// </summary>
public sealed class ConversationEncoder
{
    private readonly Func<IReadOnlyList<ConversationTurn>, bool, string> _applyChatTemplate;
    private readonly Func<string, int[]> _encode;
    private readonly EncodingOptions _options;

    /// <summary>Makes an encoder.</summary>
    /// <param name="applyChatTemplate">The text of the given turns; the flag asks for the generation prompt at the end.</param>
    /// <param name="encode">The token ids of a text, with special tokens recognised and none added.</param>
    /// <param name="options">Lengths and limits; null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public ConversationEncoder(Func<IReadOnlyList<ConversationTurn>, bool, string> applyChatTemplate, Func<string, int[]> encode, EncodingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(applyChatTemplate);
        ArgumentNullException.ThrowIfNull(encode);
        _applyChatTemplate = applyChatTemplate;
        _encode = encode;
        _options = options ?? new EncodingOptions();
        _options.Check();
    }

    /// <summary>Encodes a whole data set.</summary>
    /// <param name="data">The rows.</param>
    /// <returns>Examples, report and hash.</returns>
    /// <exception cref="DataRefusedException">A token id is outside the vocabulary, or no row is left.</exception>
    public EncodedDataSet Encode(ConversationDataSet data)
    {
        ArgumentNullException.ThrowIfNull(data);
        List<TrainingExample> examples = [];
        List<DroppedRow> dropped = [];
        List<string> truncated = [];
        int split = 0;
        foreach (DataRow row in data.Rows)
        {
            EncodedRow encoded = EncodeRow(data.Path, row);
            if (encoded.Example is null)
            {
                dropped.Add(new DroppedRow(row.Place, encoded.Reason!));
                continue;
            }
            examples.Add(encoded.Example);
            if (encoded.Truncated)
            {
                truncated.Add(row.Place);
            }
            split += encoded.Split ? 1 : 0;
        }
        RequireRows(data.Path, examples, dropped);
        DataReport report = new(examples.Count, examples.Sum(e => (long)e.InputIds.Length), examples.Sum(e => (long)e.TargetCount), truncated.Count, split, dropped)
        {
            Shapes = data.Rows.CountBy(row => row.Shape).ToDictionary(),
            FirstTruncated = [.. truncated.Take(DroppedRows.ShownPlaces)],
        };
        return new EncodedDataSet(examples, report, data.DataHash);
    }

    /// <summary>Encodes one row without a limit on its length.</summary>
    /// <param name="row">The row, not an <see cref="UnusableRow"/>.</param>
    /// <returns>Tokens and labels.</returns>
    public TrainingExample EncodeRow(DataRow row) => EncodeRow(row, out _);

    /// <summary>Encodes one row within the limit on its length.</summary>
    /// <param name="path">Its file, for messages.</param>
    /// <param name="row">The row.</param>
    internal EncodedRow EncodeRow(string path, DataRow row)
    {
        if (row is UnusableRow unusable)
        {
            return new EncodedRow(null, unusable.Reason, Truncated: false, Split: false);
        }
        TrainingExample whole = EncodeRow(row, out bool apart);
        CheckVocabulary(path, whole);
        TrainingExample example = Truncate(whole);
        return example.TargetCount == 0
            ? new EncodedRow(null, ReasonToDrop(whole), Truncated: false, apart)
            : new EncodedRow(example, null, example.InputIds.Length < whole.InputIds.Length, apart);
    }

    private TrainingExample EncodeRow(DataRow row, out bool apart)
    {
        apart = false;
        return row switch
        {
            TokenRow tokens => new TrainingExample(tokens.InputIds, tokens.Labels) { Place = row.Place },
            TextRow text => EncodeText(text, out apart),
            ConversationRow conversation => EncodeConversation(conversation, out apart),
            _ => throw new ArgumentException($"unknown kind of row {row?.GetType().Name}", nameof(row)),
        };
    }

    private TrainingExample EncodeText(TextRow row, out bool apart)
    {
        TrainingExample example = EncodeSpans(row.Place, row.Prompt + row.Completion, [row.Prompt.Length..], out apart);
        if (_options.EndOfTextId is not int end || example.InputIds[^1] == end)
        {
            return example;
        }
        return example with { InputIds = [.. example.InputIds, end], Labels = [.. example.Labels, end] };
    }

    private TrainingExample EncodeConversation(ConversationRow row, out bool apart)
    {
        string prompt = Prompt(row, row.PromptTurns);
        string whole = WithoutTail(_applyChatTemplate(row.Turns, false), row.Turns[^1].Content);
        // A template may open a conversation differently from its continuation (a system text that is added, an old thought that is dropped).
        // Then the generation prompt of the earlier turns is not a prefix even as text, and the answer itself is the only sure completion.
        bool changed = !whole.StartsWith(prompt, StringComparison.Ordinal);
        if (changed)
        {
            whole = prompt + AfterLast(whole, row.Turns[^1].Content);
        }
        List<Range> learnt = _options.LossOn == LossOn.Answers ? EarlierAnswers(row, whole) : [];
        learnt.Add(prompt.Length..);
        TrainingExample example = EncodeSpans(row.Place, whole, learnt, out bool split);
        apart = changed || split;
        return example;
    }

    private string Prompt(ConversationRow row, int turns) => _applyChatTemplate([.. row.Turns.Take(turns)], true);

    /// <summary>Where the earlier answers stand in the text. One that the template writes differently once the conversation goes on is not there to be learnt.</summary>
    private List<Range> EarlierAnswers(ConversationRow row, string whole)
    {
        List<Range> found = [];
        foreach (int turn in row.EarlierAnswers)
        {
            string prompt = Prompt(row, turn);
            string through = WithoutTail(_applyChatTemplate([.. row.Turns.Take(turn + 1)], false), row.Turns[turn].Content);
            if (through.StartsWith(prompt, StringComparison.Ordinal) && whole.StartsWith(through, StringComparison.Ordinal))
            {
                found.Add(prompt.Length..through.Length);
            }
        }
        return found;
    }

    /// <summary>Encodes a text of which some spans are learnt, in order and apart from each other. Where a token lies across the border of a span, the pieces are encoded apart.</summary>
    private TrainingExample EncodeSpans(string place, string text, IReadOnlyList<Range> learnt, out bool apart)
    {
        (int Start, int End, bool Learnt)[] pieces = [.. Pieces(text.Length, learnt)];
        int[] ids = _encode(text);
        int[]? borders = Borders(text, ids, pieces);
        apart = borders is null;
        if (borders is null)
        {
            int[][] encoded = [.. pieces.Select(piece => _encode(text[piece.Start..piece.End]))];
            ids = [.. encoded.SelectMany(piece => piece)];
            borders = [.. encoded.Select((_, i) => encoded.Take(i + 1).Sum(piece => piece.Length))];
        }
        int[] labels = [.. ids];
        for (int i = 0; i < pieces.Length && _options.LossOn != LossOn.All; i++)
        {
            if (!pieces[i].Learnt)
            {
                labels.AsSpan((i == 0 ? 0 : borders[i - 1])..borders[i]).Fill(TrainingExample.IgnoredLabel);
            }
        }
        return new TrainingExample(ids, labels) { Place = place };
    }

    private static IEnumerable<(int Start, int End, bool Learnt)> Pieces(int length, IReadOnlyList<Range> learnt)
    {
        int at = 0;
        foreach (Range span in learnt)
        {
            (int start, int count) = span.GetOffsetAndLength(length);
            yield return (at, start, false);
            yield return (start, start + count, true);
            at = start + count;
        }
        yield return (at, length, false);
    }

    /// <summary>How many tokens each piece and those before it have; null where a beginning of the text is not a beginning of its tokens.</summary>
    private int[]? Borders(string text, int[] ids, (int Start, int End, bool Learnt)[] pieces)
    {
        int[] borders = new int[pieces.Length];
        for (int i = 0; i < borders.Length; i++)
        {
            int end = pieces[i].End;
            int[] beginning = end == 0 ? [] : end == text.Length ? ids : i > 0 && end == pieces[i - 1].End ? ids[..borders[i - 1]] : _encode(text[..end]);
            if (!ids.AsSpan().StartsWith(beginning))
            {
                return null;
            }
            borders[i] = beginning.Length;
        }
        return borders;
    }

    /// <summary>Generation stops at the end-of-turn token, so white space that a template writes after it is never generated and not worth learning.
    /// It stays where it is itself the end of the turn.</summary>
    private static string WithoutTail(string whole, string answer)
    {
        string trimmed = whole.TrimEnd();
        return trimmed.EndsWith(answer.TrimEnd(), StringComparison.Ordinal) ? whole : trimmed;
    }

    /// <summary>The answer and what the template writes after it.</summary>
    private static string AfterLast(string whole, string answer)
    {
        int start = whole.LastIndexOf(answer, StringComparison.Ordinal);
        return start < 0 ? answer : whole[start..];
    }

    private TrainingExample Truncate(TrainingExample example) =>
        example.InputIds.Length <= _options.MaximumLength
            ? example
            : example with { InputIds = example.InputIds[.._options.MaximumLength], Labels = example.Labels[.._options.MaximumLength] };

    private string ReasonToDrop(TrainingExample whole) => whole.TargetCount == 0
        ? "no completion token"
        : $"the prompt fills the maximum length of {_options.MaximumLength} tokens";

    private void CheckVocabulary(string path, TrainingExample example)
    {
        int largest = example.InputIds.Length == 0 ? 0 : example.InputIds.Max();
        if (_options.VocabularySize is int size && largest >= size)
        {
            throw new DataRefusedException("a token id is outside the vocabulary", $"{path}, {example.Place}", $"{largest}", $"0 .. {size - 1}", "tokenise the data with the model's own tokenizer");
        }
    }

    private static void RequireRows(string path, List<TrainingExample> examples, List<DroppedRow> dropped)
    {
        if (examples.Count == 0)
        {
            throw new DataRefusedException("no row of the data set can be learnt", path, $"{dropped.Count} rows dropped; {dropped[0].Place}: {dropped[0].Reason}", "at least one row with a completion token", "raise the maximum length, or repair the rows");
        }
    }
}

/// <summary>What became of one row.</summary>
/// <param name="Example">Its tokens; null where it is left out.</param>
/// <param name="Reason">Why it is left out; null where it is not.</param>
/// <param name="Truncated">Whether its end was cut.</param>
/// <param name="Split">Whether pieces of it were encoded apart.</param>
internal sealed record EncodedRow(TrainingExample? Example, string? Reason, bool Truncated, bool Split);
