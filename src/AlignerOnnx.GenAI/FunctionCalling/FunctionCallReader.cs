using System.Text;
using System.Text.Json;

namespace AlignerOnnx.GenAI;

/// <summary>
/// Tells what an answer says from the functions that it calls, while it grows. A call is an answer that is JSON, one object with a name and arguments or a list of such, or
/// what stands behind the mark that many models are taught. What may still become a call is held back; what turns out to be none was said.
/// </summary>
/// <param name="functions">The functions that may be called; JSON that names none of them was said. Where there are none, all is said at once.</param>
public sealed class FunctionCallReader(CallableFunctions functions)
{
    private const string Mark = "<tool_call>";
    private const string EndMark = "</tool_call>";

    private readonly StringBuilder _held = new();
    private bool _mayBeJson = true;
    private bool _isHeld;

    /// <summary>Takes more of the answer and gives what of it is certainly said.</summary>
    /// <param name="text">The next piece.</param>
    public string Add(string text)
    {
        if (!functions.Any)
        {
            return text;
        }
        _held.Append(text);
        if (_isHeld)
        {
            return "";
        }
        string held = _held.ToString();
        if (_mayBeJson)
        {
            string begun = held.TrimStart();
            _isHeld = begun is ['{' or '[', ..];
            if (_isHeld || begun.Length == 0)
            {
                return "";
            }
            _mayBeJson = false;
        }
        int mark = held.IndexOf(Mark, StringComparison.Ordinal);
        _isHeld = mark >= 0;
        return Release(held, _isHeld ? mark : held.Length - BegunMark(held));
    }

    /// <summary>Ends the answer: what was held back is a call, or was said after all.</summary>
    /// <returns>What else was said, and the calls, each with a new id.</returns>
    public (string Said, IReadOnlyList<FunctionCall> Calls) End()
    {
        string held = _held.ToString();
        _held.Clear();
        return Parse(held) is { Length: > 0 } calls ? ("", functions.SeveralCalls ? calls : calls[..1]) : (held, []);
    }

    private string Release(string held, int length)
    {
        _held.Remove(0, length);
        return held[..length];
    }

    /// <summary>How many characters at the end may be the beginning of the mark.</summary>
    private static int BegunMark(string text)
    {
        int length = Math.Min(Mark.Length - 1, text.Length);
        while (!text.EndsWith(Mark[..length], StringComparison.Ordinal))
        {
            length--;
        }
        return length;
    }

    private FunctionCall[]? Parse(string text)
    {
        try
        {
            JsonElement[] calls = [.. Documents(text.Trim()).SelectMany(Elements)];
            return calls.All(IsCall) ? [.. calls.Select(ToCall)] : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Documents(string text) => text.StartsWith(Mark, StringComparison.Ordinal)
        ? text.Split(Mark, StringSplitOptions.RemoveEmptyEntries).Select(part => part.Trim()).Select(part => part.EndsWith(EndMark, StringComparison.Ordinal) ? part[..^EndMark.Length] : part)
        : [text];

    private static IEnumerable<JsonElement> Elements(string json)
    {
        JsonElement root = JsonElement.Parse(json);
        return root.ValueKind == JsonValueKind.Array ? root.EnumerateArray() : [root];
    }

    /// <summary>Only what names one of the functions is a call: other JSON may be the answer itself.</summary>
    private bool IsCall(JsonElement call) => call.ValueKind == JsonValueKind.Object
        && call.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String && functions.Functions.Any(function => name.ValueEquals(function.Name))
        && Arguments(call).ValueKind == JsonValueKind.Object;

    private static FunctionCall ToCall(JsonElement call) => new($"call_{Guid.NewGuid():N}", call.GetProperty("name").GetString()!, Arguments(call).GetRawText());

    /// <summary>Some models are taught to say parameters.</summary>
    private static JsonElement Arguments(JsonElement call) =>
        call.TryGetProperty("arguments", out JsonElement arguments) || call.TryGetProperty("parameters", out arguments) ? arguments : default;
}
