namespace AlignerOnnx.Training;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c> or another role that the chat template knows.</param>
/// <param name="Content">What is said, as plain text.</param>
public sealed record ConversationTurn(string Role, string Content)
{
    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";
}
