using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Turns a conversation with tools into a prompt: through the model's own template where that takes tools, else in words that every template can render.</summary>
internal static class ToolPrompt
{
    internal static int[] Of(ChatModel chat, IReadOnlyList<ChatTurn> turns, Tools tools)
    {
        try
        {
            // A template's own words for tools leave the model to its own form of a call, and a call that is required has the form of this server.
            bool native = chat.TemplateTakesTools && !tools.Required;
            return chat.Encode(native
                ? chat.ApplyChatTemplate(turns, tools: tools.Any ? tools.ToJson() : null)
                : chat.ApplyChatTemplate(Described(chat.TemplateTakesTools ? turns : InWords(turns), tools)));
        }
        catch (ArgumentException e)
        {
            throw ApiException.Invalid(e.Message, "messages");
        }
    }

    /// <summary>Tells the model of the functions: in its system message, which templates of every kind have.</summary>
    private static IReadOnlyList<ChatTurn> Described(IReadOnlyList<ChatTurn> turns, Tools tools)
    {
        if (!tools.Any)
        {
            return turns;
        }
        string how = tools.Required ? "Answer by calling one of these functions, as" : "You can call these functions. To call one, answer with nothing but";
        string text = $"{how} {{\"name\": ..., \"arguments\": {{...}}}}:\n{string.Join('\n', tools.Functions.Select(function => JsonSerializer.Serialize(function, ApiJson.Default.ToolFunction)))}";
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
                : new ChatTurn(turn.Role, string.Join('\n', ((string[])[turn.Content, .. turn.Calls.Select(InWords)]).Where(line => line.Length > 0)));
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

    private static string InWords(FunctionCall call) => $"{{\"name\": {JsonSerializer.Serialize(call.Name, ApiJson.Default.String)}, \"arguments\": {call.Arguments}}}";
}
