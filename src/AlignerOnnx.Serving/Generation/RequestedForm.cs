using System.Text.Json;
using AlignerOnnx.GenAI;

namespace AlignerOnnx.Serving;

/// <summary>Reads which form a request wants its answer in: OpenAI's response_format, or vLLM's structured_outputs.</summary>
internal static class RequestedForm
{
    private const int Longest = 64 << 10;

    internal static Guidance? Of(GenerationBody body)
    {
        Guidance?[] asked = [Format(body.ResponseFormat), .. Structured(body.StructuredOutputs)];
        Guidance[] given = [.. asked.OfType<Guidance>()];
        return given switch
        {
            [] => null,
            [var one] when one.Text.Length <= Longest => one,
            [_] => throw ApiException.Invalid($"The form of the answer is described in more than {Longest} characters.", "response_format"),
            _ => throw ApiException.Invalid("The request asks for more than one form; give one of response_format, structured_outputs.json, .regex and .grammar.", "structured_outputs"),
        };
    }

    /// <summary>The field that asks for the form; null where none does.</summary>
    internal static string? ParamOf(GenerationBody body) => Structured(body.StructuredOutputs).Any(asked => asked is not null) ? "structured_outputs" : Format(body.ResponseFormat) is null ? null : "response_format";

    private static Guidance? Format(ResponseFormat? format)
    {
        format?.RefuseOthers("response_format");
        format?.JsonSchema?.RefuseOthers("response_format.json_schema");
        return format?.Type switch
        {
            null when format is null => null,
            "text" or "json_object" when format.JsonSchema is not null => throw ApiException.Invalid("json_schema goes with the type json_schema only.", "response_format.json_schema"),
            "text" => null,
            "json_object" => new Guidance(GuidanceKind.JsonSchema, """{"type":"object"}"""),
            "json_schema" => new Guidance(GuidanceKind.JsonSchema, Schema(format.JsonSchema?.Schema, "response_format")),
            var other => throw ApiException.Invalid($"The response format '{other}' is not supported; expected text, json_object or json_schema.", "response_format", "unsupported_parameter"),
        };
    }

    private static IEnumerable<Guidance?> Structured(StructuredOutputs? outputs) =>
    [
        outputs?.Json is { ValueKind: not JsonValueKind.Null } json ? new Guidance(GuidanceKind.JsonSchema, Schema(json, "structured_outputs")) : null,
        outputs?.Regex is { } regex ? new Guidance(GuidanceKind.Regex, regex) : null,
        outputs?.Grammar is { } grammar ? new Guidance(GuidanceKind.Grammar, grammar) : null,
    ];

    private static string Schema(JsonElement? schema, string param) => schema switch
    {
        { ValueKind: JsonValueKind.Object } given => given.GetRawText(),
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        _ => throw ApiException.Invalid("The JSON schema is missing; expected an object.", param),
    };
}
