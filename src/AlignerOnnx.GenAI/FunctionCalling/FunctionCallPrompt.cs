namespace AlignerOnnx.GenAI;

/// <summary>Turns a conversation with functions into a prompt: through the model's own template where that takes tools, else in words that every template can render.</summary>
public static class FunctionCallPrompt
{
    /// <summary>The text of the prompt.</summary>
    /// <param name="model">The model that answers.</param>
    /// <param name="turns">The messages, oldest first; calls and their results among them.</param>
    /// <param name="functions">The functions that the answer may call.</param>
    /// <exception cref="ArgumentException">The template does not take these turns; the message says why.</exception>
    public static string Of(ChatModel model, IReadOnlyList<ChatTurn> turns, CallableFunctions functions)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(turns);
        ArgumentNullException.ThrowIfNull(functions);
        // A template's own words for tools leave the model to its own form of a call, and a call that is required has the form that answers are held to.
        bool native = model.TemplateTakesTools && !functions.Required;
        return native
            ? model.ApplyChatTemplate(turns, tools: functions.Any ? functions.ToJson() : null)
            : model.ApplyChatTemplate(Described(model.TemplateTakesTools ? turns : InWords(turns), functions));
    }

    /// <summary>Tells the model of the functions: in its system message, which templates of every kind have.</summary>
    private static IReadOnlyList<ChatTurn> Described(IReadOnlyList<ChatTurn> turns, CallableFunctions functions)
    {
        if (!functions.Any)
        {
            return turns;
        }
        string how = functions.Required ? "Answer by calling one of these functions, as" : "You can call these functions. To call one, answer with nothing but";
        string text = $"{how} {{\"name\": ..., \"arguments\": {{...}}}}:\n{string.Join('\n', functions.Functions.Select(function => ModelJson.Write(function.ToJson())))}";
        return turns is [{ Role: "system" } first, ..] ? [first with { Content = $"{first.Content}\n{text}" }, .. turns.Skip(1)] : [new ChatTurn("system", text), .. turns];
    }

    /// <summary>Calls as the assistant's words, results as the user's; those of several calls at once in one turn, since many templates want the two to alternate.</summary>
    private static List<ChatTurn> InWords(IReadOnlyList<ChatTurn> turns)
    {
        List<ChatTurn> words = [];
        bool afterResult = false;
        foreach (ChatTurn turn in turns)
        {
            ChatTurn said = turn.ResultOf is { } call
                ? new ChatTurn("user", $"Result of {call.Name}: {turn.Content}")
                : turn with { Content = string.Join('\n', ((string[])[turn.Content, .. turn.Calls.Select(InWords)]).Where(line => line.Length > 0)), Calls = [] };
            if (afterResult && turn.ResultOf is not null)
            {
                words[^1] = new ChatTurn("user", $"{words[^1].Content}\n{said.Content}");
            }
            else
            {
                words.Add(said);
            }
            afterResult = turn.ResultOf is not null;
        }
        return words;
    }

    private static string InWords(FunctionCall call) => $"{{\"name\": {ModelJson.Write(call.Name)}, \"arguments\": {call.Arguments}}}";
}
