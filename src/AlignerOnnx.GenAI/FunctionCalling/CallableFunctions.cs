using System.Text.Json.Nodes;

namespace AlignerOnnx.GenAI;

/// <summary>The functions that an answer may call, or must.</summary>
/// <param name="Functions">The functions; none where an answer is words.</param>
/// <param name="Required">Whether the answer must be a call of one of them; false (the default) leaves it to the model.</param>
public sealed record CallableFunctions(IReadOnlyList<CallableFunction> Functions, bool Required = false)
{
    /// <summary>No functions: every answer is words.</summary>
    public static CallableFunctions None { get; } = new([]);

    /// <summary>Whether there are any.</summary>
    public bool Any => Functions.Count > 0;

    /// <summary>Whether an answer may make several calls at once; true by default. Where it may not, those after the first are left to the model's next answer.</summary>
    public bool SeveralCalls { get; init; } = true;

    /// <summary>The functions as a list in OpenAI's form, for templates that take one.</summary>
    internal string ToJson() =>
        ModelJson.Write(new JsonArray([.. Functions.Select(function => new JsonObject { ["type"] = "function", ["function"] = function.ToJson() })]));
}
