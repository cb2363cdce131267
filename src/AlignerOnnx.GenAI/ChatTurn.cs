namespace AlignerOnnx.GenAI;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks, in the words of the model's chat template: <c>system</c>, <c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatTurn(string Role, string Content);
