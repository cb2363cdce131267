using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AlignerOnnx.GenAI;

/// <summary>What a model folder's chat template takes, and conversations in the form in which templates get them (that of Hugging Face's tokenizers).</summary>
internal static partial class ChatTemplate
{
    private const string OwnFile = "chat_template.jinja";
    private const string ConfigFile = "tokenizer_config.json";
    private const long LargestFile = 16 << 20;

    // GenAI changes tools before a template sees them: of some it leaves the function alone, of others nothing. Messages it leaves as they are, so tools come as the first of them. The empty expression keeps white space that the template begins with.
    private const string ToolsFromMessages = "{%- set tools = messages[0].offered %}{%- set messages = messages[1:] %}{{ '' }}";

    /// <summary>The template for conversations with tools, which <see cref="Messages"/> puts before the messages; null where it has no place for them, because it does not name them. Every template renders any role, so rendering alone does not tell.</summary>
    internal static string? WithTools(string folder) => Read(folder) is var template && ToolsName().IsMatch(template) ? ToolsFromMessages + template : null;

    /// <summary>The messages as JSON.</summary>
    /// <param name="turns">The messages.</param>
    /// <param name="tools">A JSON list for <see cref="WithTools"/>; null for none.</param>
    internal static string Messages(IReadOnlyList<ChatTurn> turns, string? tools = null)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            writer.WriteStartArray();
            if (tools is not null)
            {
                writer.WriteStartObject();
                writer.WriteString("role", "tools");
                writer.WritePropertyName("offered");
                writer.WriteRawValue(tools);
                writer.WriteEndObject();
            }
            foreach (ChatTurn turn in turns)
            {
                Write(writer, turn);
            }
            writer.WriteEndArray();
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static void Write(Utf8JsonWriter writer, ChatTurn turn)
    {
        writer.WriteStartObject();
        writer.WriteString("role", turn.Role);
        writer.WriteString("content", turn.Content);
        if (turn.ResultOf is { } answered)
        {
            writer.WriteString("tool_call_id", answered.Id);
        }
        if ((turn.ResultOf?.Name ?? turn.Name) is { } name)
        {
            writer.WriteString("name", name);
        }
        if (turn.Calls.Count > 0)
        {
            writer.WriteStartArray("tool_calls");
            foreach (FunctionCall call in turn.Calls)
            {
                Write(writer, call);
            }
            writer.WriteEndArray();
        }
        writer.WriteEndObject();
    }

    /// <summary>Templates write the arguments as JSON themselves, so they get the object that the text stands for.</summary>
    private static void Write(Utf8JsonWriter writer, FunctionCall call)
    {
        writer.WriteStartObject();
        writer.WriteString("id", call.Id);
        writer.WriteString("type", "function");
        writer.WriteStartObject("function");
        writer.WriteString("name", call.Name);
        writer.WritePropertyName("arguments");
        writer.WriteRawValue(call.Arguments);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static string Read(string folder)
    {
        string own = Path.Combine(folder, OwnFile);
        if (File.Exists(own))
        {
            return ReadSmall(own);
        }
        try
        {
            string config = Path.Combine(folder, ConfigFile);
            return File.Exists(config) && JsonNode.Parse(ReadSmall(config)) is JsonObject facts && facts["chat_template"] is JsonValue value && value.TryGetValue(out string? template) ? template : "";
        }
        catch (JsonException)
        {
            // The tokenizer says what is wrong with its own files.
            return "";
        }
    }

    private static string ReadSmall(string file) => new FileInfo(file).Length <= LargestFile ? File.ReadAllText(file) : "";

    [GeneratedRegex(@"\btools\b")]
    private static partial Regex ToolsName();
}
