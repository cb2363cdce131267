using AlignerOnnx.Graph;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class RowShapeTests
{
    private static DataRow Read(string text, DataReadingOptions? options = null)
    {
        using TemporaryFile file = new(text);
        return ConversationDataSet.Read(file.Path, options).Rows.Single();
    }

    private static string Turns(DataRow row) => string.Join('|', ((ConversationRow)row).Turns.Select(turn => $"{turn.Role}:{turn.Content}"));

    [TestMethod]
    [DataRow("""{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}""", "messages")]
    [DataRow("""{"instruction": "q", "input": "", "output": "a"}""", "alpaca")]
    [DataRow("""{"instruction": "q", "output": "a", "category": "open_qa"}""", "alpaca")]
    [DataRow("""{"instruction": "q", "input": null, "output": "a"}""", "alpaca")]
    [DataRow("""{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}""", "sharegpt")]
    [DataRow("""{"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}""", "sharegpt")]
    [DataRow("""{"conversation": [{"from": "user", "value": "q"}, {"from": "model", "value": "a"}]}""", "sharegpt")]
    [DataRow("""{"messages": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}, {"from": "human", "value": "and then the log ends"}]}""", "sharegpt")]
    [DataRow("""{"question": "q", "answer": "a"}""", "question-answer")]
    [DataRow("""{"query": "q", "response": "a"}""", "question-answer")]
    public void Read_OneQuestion_IsTheSameConversationInEveryShape(string text, string shape)
    {
        DataRow row = Read(text);
        Assert.AreEqual("user:q|assistant:a", Turns(row));
        Assert.AreEqual(1, ((ConversationRow)row).PromptTurns);
        Assert.AreEqual(shape, row.Shape);
    }

    [TestMethod]
    [DataRow("""{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}""", "system:s|user:q|assistant:a")]
    [DataRow("""{"conversations": [{"from": "system", "value": "s"}, {"from": "observation", "value": "o"}, {"from": "function_call", "value": "f"}]}""", "system:s|tool:o|assistant:f")]
    [DataRow("""{"instruction": "i", "input": "x", "output": "a"}""", "user:i\nx|assistant:a")]
    [DataRow("""{"instruction": "i", "output": "a", "system": "s", "history": [["h", "b"]]}""", "system:s|user:h|assistant:b|user:i|assistant:a")]
    public void Read_ConversationFields_StandInOrder(string text, string turns) => Assert.AreEqual(turns, Turns(Read(text)));

    [TestMethod]
    public void Read_AlpacaStyle_IsTheTemplateOfThePaper()
    {
        DataReadingOptions options = new() { PromptStyle = PromptStyle.Alpaca };
        TextRow row = (TextRow)Read("""{"instruction": "Double it", "input": "4", "output": "8"}""", options);
        Assert.AreEqual("Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nDouble it\n\n### Input:\n4\n\n### Response:", row.Prompt);
        Assert.AreEqual("8", row.Completion);
        row = (TextRow)Read("""{"instruction": "Sing", "input": "", "output": "La"}""", options);
        Assert.AreEqual("Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nSing\n\n### Response:", row.Prompt);
    }

    [TestMethod]
    public void Read_Text_LearnsAllOfIt() => Assert.AreEqual(new TextRow("line 1", "", "Once upon a time") { Shape = "text" }, Read("""{"text": "Once upon a time"}"""));

    [TestMethod]
    public void Read_WeightZero_IsNotLearnt()
    {
        ConversationRow row = (ConversationRow)Read("""{"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2", "weight": 0}, {"role": "user", "content": "3"}, {"role": "assistant", "content": "4", "weight": 1}, {"role": "user", "content": "5"}, {"role": "assistant", "content": "6", "weight": 0}]}""");
        Assert.HasCount(4, row.Turns);
        Assert.AreEqual(3, row.PromptTurns);
        Assert.IsEmpty(row.EarlierAnswers);
    }

    [TestMethod]
    [DataRow("""{"instruction": "q", "output": ""}""", "the answer is empty")]
    [DataRow("""{"text": ""}""", "the text is empty")]
    [DataRow("""{"conversations": [{"from": "human", "value": "q"}]}""", "no answer to learn")]
    [DataRow("""{"question": "q", "answer": ""}""", "no answer to learn")]
    [DataRow("""{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "label": false}""", "marked as a bad answer (\"label\": false)")]
    public void Read_NothingToLearn_IsLeftOutWithItsReason(string text, string reason) => Assert.AreEqual(reason, ((UnusableRow)Read(text)).Reason);

    [TestMethod]
    [DataRow("""{"instruction": 3, "output": "a"}""", "\"instruction\" is not text")]
    [DataRow("""{"instruction": "i", "output": ["a"]}""", "\"output\" is not text")]
    [DataRow("""{"instruction": "i", "output": "a", "history": [["only one"]]}""", "\"history\" cannot be read")]
    [DataRow("""{"conversations": {"from": "human"}}""", "not a list")]
    [DataRow("""{"conversations": [{"from": 1, "value": "a"}]}""", "not a message")]
    [DataRow("""{"text": 3}""", "\"text\" is not text")]
    [DataRow("""{"messages": [{"role": "assistant", "content": "a", "weight": 0.5}]}""", "weight")]
    [DataRow("""{"text": "\ud800"}""", "not Unicode")]
    [DataRow("""{"chosen": "c", "rejected": "r"}""", "no known shape")]
    public void Read_WrongType_IsRefusedWithItsLine(string text, string what)
    {
        using TemporaryFile file = new(text);
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
        Assert.Contains(what, refusal.What);
        Assert.AreEqual($"{file.Path}, line 1", refusal.Where);
    }

    [TestMethod]
    [DataRow("""{"questions": ["q", "r"], "answer": "a"}""")]
    [DataRow("""{"held_out_question": "q", "answer": "a"}""")]
    public void Read_QuestionOfKnowledge_PointsToItsOption(string text)
    {
        using TemporaryFile file = new(text);
        Assert.Contains("aligner eval --knowledge", Assert.ThrowsExactly<DataRefusedException>(() => EvaluationData.Read(file.Path)).Remedy!);
    }

    [TestMethod]
    public void Read_QuestionAndAnswer_IsARowAsAnyOther()
    {
        using TemporaryFile file = new("""{"question": "q", "answer": "a"}""");
        EvaluationData measured = EvaluationData.Read(file.Path);
        Assert.IsNull(measured.Pairs);
        Assert.HasCount(1, measured.Answers.Rows);
    }

    [TestMethod]
    public void Read_RowThatIsNoObject_IsRefusedAsThat()
    {
        using TemporaryFile file = new("[1, 2]");
        Assert.AreEqual("the row is not an object", Assert.ThrowsExactly<DataRefusedException>(() => EvaluationData.Read(file.Path)).What);
    }

    [TestMethod]
    public void Read_UnknownFields_NamesThemAndEveryKnownShape()
    {
        using TemporaryFile file = new("""{"ask": "q", "reply": "a"}""");
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
        Assert.AreEqual("\"ask\", \"reply\"", refusal.Found);
        foreach (string field in new[] { "messages", "conversations", "prompt", "completion", "instruction", "question", "text", "input_ids" })
        {
            Assert.Contains($"\"{field}\"", refusal.Expected!);
        }
    }
}
