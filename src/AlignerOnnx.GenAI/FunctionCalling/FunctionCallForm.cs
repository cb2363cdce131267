using System.Text.Json.Nodes;

namespace AlignerOnnx.GenAI;

/// <summary>
/// Holds answers to the form of a call, so that any model makes well-formed ones: the whole answer where it must be a call; where the model chooses, an answer that begins
/// as one. A model whose template takes tools was taught a form of its own and is left to it.
/// </summary>
public static class FunctionCallForm
{
    /// <summary>The form of an answer; null where it is free.</summary>
    /// <param name="functions">The functions that it may call.</param>
    /// <param name="requested">The form that is asked for besides; null for none.</param>
    /// <param name="templateTakesTools">Whether the model's template tells it of the functions (<see cref="ChatModel.TemplateTakesTools"/>).</param>
    /// <exception cref="GuidanceRefusedException">Another form is asked for though there are functions, or the schema of a function's parameters is malformed.</exception>
    public static Guidance? Of(CallableFunctions functions, Guidance? requested, bool templateTakesTools)
    {
        ArgumentNullException.ThrowIfNull(functions);
        if (!functions.Any)
        {
            return requested;
        }
        if (requested is not null)
        {
            throw new GuidanceRefusedException("an answer that may be a function call cannot have another form too.");
        }
        if (templateTakesTools && !functions.Required)
        {
            return null;
        }
        JsonObject call = new() { ["anyOf"] = new JsonArray([.. functions.Functions.Select(Call)]) };
        return functions.Required ? new Guidance(GuidanceKind.JsonSchema, call.ToJsonString()) : new Guidance(GuidanceKind.Grammar, WordsOr(call));
    }

    /// <summary>Words, which do not begin with a brace, or a call.</summary>
    private static string WordsOr(JsonObject call)
    {
        call["x-guidance"] = Guidance.CompactJson();
        return $$"""
            start: WORDS | call
            WORDS: /[ \r\n\t]*[^{ \r\n\t](.|\n)*/
            call: %json {{call.ToJsonString()}}
            """;
    }

    private static JsonNode Call(CallableFunction function, int index) => new JsonObject
    {
        ["type"] = "object",
        ["properties"] = new JsonObject
        {
            ["name"] = new JsonObject { ["const"] = function.Name },
            ["arguments"] = Arguments(function, $"#/anyOf/{index}/properties/arguments"),
        },
        ["required"] = new JsonArray("name", "arguments"),
        ["additionalProperties"] = false,
    };

    /// <summary>The schema of a function's arguments in its new place.</summary>
    private static JsonObject Arguments(CallableFunction function, string place)
    {
        try
        {
            JsonObject schema = function.Schema();
            Move(schema, place);
            // Arguments have names, even where a schema does not say so.
            schema.TryAdd("type", "object");
            return schema;
        }
        catch (ArgumentException e)
        {
            throw new GuidanceRefusedException($"the parameters of the function {function.Name}: {e.Message}", e);
        }
    }

    /// <summary>References within a schema begin at its root, which is no longer that of the document.</summary>
    private static void Move(JsonNode? node, string place)
    {
        if (node is JsonArray items)
        {
            foreach (JsonNode? item in items)
            {
                Move(item, place);
            }
        }
        else if (node is JsonObject schema)
        {
            if (schema["$ref"] is JsonValue reference && reference.TryGetValue(out string? target) && target is "#" or ['#', '/', ..])
            {
                schema["$ref"] = place + target[1..];
            }
            foreach ((string _, JsonNode? part) in schema)
            {
                Move(part, place);
            }
        }
    }
}
