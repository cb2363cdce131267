using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary><c>{"question", "answer"}</c> (GSM8K) or <c>{"query", "response"}</c> (MetaMathQA): a conversation of one question and its answer.</summary>
internal sealed class QuestionAnswerShape : IRowShape
{
    public string Name => "question-answer";

    public string Fields => "\"question\" and \"answer\", or \"query\" and \"response\"";

    public bool Fits(JsonElement row) =>
        (row.TryGetProperty("question", out _) && row.TryGetProperty("answer", out _)) || (row.TryGetProperty("query", out _) && row.TryGetProperty("response", out _));

    public DataRow Read(RowFields row) => MessagesShape.Conversation(row.Place,
    [
        new Message(new ConversationTurn("user", row.Text("question", "query")), 1),
        new Message(new ConversationTurn(ConversationTurn.Assistant, row.Text("answer", "response")), 1),
    ]);
}
