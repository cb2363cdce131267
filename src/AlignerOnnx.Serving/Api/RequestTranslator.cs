using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Turns an API request into a generation request, or says what about it cannot be done. Nothing asked for is left out silently.</summary>
internal sealed class RequestTranslator(ChatModel chat, int maxTokens)
{
    private const int MostStops = 16;
    private const int LongestStop = 1024;

    internal GenerationRequest Translate(ChatCompletionRequest request, ModelLease model)
    {
        RefuseUnsupported(request);
        List<ChatTurn> turns = Turns(request.Messages);
        return new GenerationRequest
        {
            PromptIds = Prompt(turns),
            Adapter = model.EngineKey,
            MaxNewTokens = MaxNewTokens(request),
            Temperature = (float?)InRange(request.Temperature, 0, 2, "temperature"),
            TopP = TopP(request.TopP),
            TopK = request.TopK is null or >= 1 ? request.TopK : throw ApiException.Invalid("top_k must be at least 1.", "top_k"),
            Seed = request.Seed is long seed ? (int)(seed & int.MaxValue) : null,
            StopStrings = Stops(request.Stop),
        };
    }

    private static void RefuseUnsupported(ChatCompletionRequest request)
    {
        Refuse(request.N is not (null or 1), "n", "Only one choice (n = 1) is supported.");
        Refuse(request.Logprobs is true, "logprobs", "Log probabilities are not supported.");
        Refuse(request.PresencePenalty is not (null or 0), "presence_penalty", "Penalties are not supported.");
        Refuse(request.FrequencyPenalty is not (null or 0), "frequency_penalty", "Penalties are not supported.");
        Refuse(IsFilled(request.LogitBias), "logit_bias", "Logit biases are not supported.");
        Refuse(IsFilled(request.Tools), "tools", "Tools are not supported.");
        Refuse(IsFilled(request.Functions), "functions", "Functions are not supported.");
        Refuse(IsFilled(request.Audio), "audio", "Audio is not supported.");
        Refuse(request.ResponseFormat?.Type is not (null or "text"), "response_format", "Only the response format text is supported.");
    }

    private static void Refuse(bool asked, string param, string message)
    {
        if (asked)
        {
            throw ApiException.Invalid(message, param, "unsupported_parameter");
        }
    }

    private static bool IsFilled(JsonElement? element) => element?.ValueKind switch
    {
        null or JsonValueKind.Null or JsonValueKind.Undefined => false,
        JsonValueKind.Array => element.Value.GetArrayLength() > 0,
        JsonValueKind.Object => element.Value.EnumerateObject().Any(),
        _ => true,
    };

    private int[] Prompt(List<ChatTurn> turns)
    {
        try
        {
            return chat.Encode(chat.ApplyChatTemplate(turns));
        }
        catch (ArgumentException e)
        {
            throw ApiException.Invalid(e.Message, "messages");
        }
    }

    private static List<ChatTurn> Turns(IReadOnlyList<RequestMessage>? messages)
    {
        if (messages is null or [])
        {
            throw ApiException.Invalid("messages is missing or empty; at least one message is needed.", "messages");
        }
        return [.. messages.Select((message, index) => new ChatTurn(Role(message, index), Content(message, index)))];
    }

    private static string Role(RequestMessage? message, int index) => message?.Role switch
    {
        "system" or "developer" => "system",
        "user" => "user",
        "assistant" => "assistant",
        string other => throw ApiException.Invalid($"The role '{other}' is not supported; expected system, developer, user or assistant.", $"messages[{index}].role"),
        null => throw ApiException.Invalid("The message has no role.", $"messages[{index}].role"),
    };

    private static string Content(RequestMessage message, int index) => message.Content switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { ValueKind: JsonValueKind.Array } parts => string.Concat(parts.EnumerateArray().Select(part => TextPart(part, index))),
        _ => throw ApiException.Invalid("The message has no content; expected a string or a list of text parts.", $"messages[{index}].content"),
    };

    private static string TextPart(JsonElement part, int index)
    {
        bool isText = part.ValueKind == JsonValueKind.Object
            && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.GetString() == "text";
        return isText && part.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String
            ? text.GetString()!
            : throw ApiException.Invalid("Only parts of the type text are supported.", $"messages[{index}].content");
    }

    private int MaxNewTokens(ChatCompletionRequest request)
    {
        string name = request.MaxCompletionTokens is null ? "max_tokens" : "max_completion_tokens";
        int asked = request.MaxCompletionTokens ?? request.MaxTokens ?? maxTokens;
        return asked >= 1 && asked <= maxTokens ? asked : throw ApiException.Invalid($"{name} is {asked}; this server allows 1 to {maxTokens}.", name);
    }

    private static float? TopP(double? value) =>
        value is not 0 ? (float?)InRange(value, 0, 1, "top_p") : throw ApiException.Invalid("top_p is 0; expected above 0, at most 1.", "top_p");

    private static double? InRange(double? value, double least, double most, string name) =>
        value is null || (value >= least && value <= most) ? value : throw ApiException.Invalid($"{name} is {value}; expected {least} to {most}.", name);

    private static string[] Stops(JsonElement? stop)
    {
        string[] stops = stop switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } one => [one.GetString()!],
            { ValueKind: JsonValueKind.Array } many when many.EnumerateArray().All(s => s.ValueKind == JsonValueKind.String) =>
                [.. many.EnumerateArray().Select(s => s.GetString()!)],
            _ => throw ApiException.Invalid("stop must be a string or a list of strings.", "stop"),
        };
        return stops.Length <= MostStops && stops.All(s => s.Length is > 0 and <= LongestStop)
            ? stops
            : throw ApiException.Invalid($"stop may hold up to {MostStops} strings of 1 to {LongestStop} characters.", "stop");
    }
}
