using System.Text.Json;
using System.Text.Json.Nodes;

namespace AlignerOnnx.GenAI;

/// <summary>Holds an answer to a form: at each step only tokens are allowed that can still lead to a text of that form (llguidance, which is built into ONNX Runtime GenAI).</summary>
/// <param name="Kind">What <paramref name="Text"/> is.</param>
/// <param name="Text">The JSON schema, the regular expression or the grammar.</param>
public sealed record Guidance(GuidanceKind Kind, string Text)
{
    /// <summary>GenAI's name of the kind.</summary>
    internal string NativeKind => Kind switch
    {
        GuidanceKind.JsonSchema => "json_schema",
        GuidanceKind.Regex => "regex",
        _ => "lark_grammar",
    };

    /// <summary>The settings <c>x-guidance</c> of a JSON schema without white space between the parts of a value: free white space invites small models to write nothing else.</summary>
    public static JsonObject CompactJson() => new() { ["whitespace_flexible"] = false, ["item_separator"] = ", ", ["key_separator"] = ": " };

    /// <summary>The form as GenAI gets it: JSON is asked for compactly.</summary>
    internal string NativeText()
    {
        if (Kind != GuidanceKind.JsonSchema)
        {
            return Text;
        }
        try
        {
            if (JsonNode.Parse(Text) is not JsonObject schema || schema.ContainsKey("x-guidance"))
            {
                return Text;
            }
            schema["x-guidance"] = CompactJson();
            return schema.ToJsonString();
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new GuidanceRefusedException(e.Message, e);
        }
    }
}

/// <summary>The ways to describe a form.</summary>
public enum GuidanceKind
{
    /// <summary>A JSON schema; the answer is one JSON value that it accepts.</summary>
    JsonSchema,

    /// <summary>A regular expression that the whole answer matches.</summary>
    Regex,

    /// <summary>A grammar in Lark's notation.</summary>
    Grammar,
}

/// <summary>The form cannot be followed: it is malformed, too large, or of a kind that the native library does not know.</summary>
/// <param name="reason">Why, in the native library's words.</param>
/// <param name="inner">The failure underneath.</param>
public sealed class GuidanceRefusedException(string reason, Exception? inner = null) : ArgumentException($"The answer cannot be held to this form: {reason}", inner);
