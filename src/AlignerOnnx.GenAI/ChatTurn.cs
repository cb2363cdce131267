namespace AlignerOnnx.GenAI;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks, in the words of the model's chat template: <c>system</c>, <c>user</c> or <c>assistant</c>; <c>tool</c> where it knows that.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatTurn(string Role, string Content)
{
    /// <summary>The name of the one who speaks, among several of a role; null for none. Templates that do not mention names leave it out; it has no effect where <see cref="ResultOf"/> is set.</summary>
    public string? Name { get; init; }

    /// <summary>Functions that the assistant called; only for templates that take tools (<see cref="ChatModel.TemplateTakesTools"/>).</summary>
    public IReadOnlyList<FunctionCall> Calls { get; init; } = [];

    /// <summary>The call whose result this is, in a turn of the role <c>tool</c>; else null.</summary>
    public FunctionCall? ResultOf { get; init; }
}
