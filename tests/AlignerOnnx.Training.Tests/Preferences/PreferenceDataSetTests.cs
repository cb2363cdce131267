using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class PreferenceDataSetTests
{
    private const string User = """{"role": "user", "content": "q"}""";
    private const string Good = """{"role": "assistant", "content": "good"}""";
    private const string Bad = """{"role": "assistant", "content": "bad"}""";

    public static IEnumerable<object[]> Conversations =>
    [
        ["preference", $$"""{"prompt": [{{User}}], "chosen": [{{Good}}], "rejected": [{{Bad}}]}"""],
        ["preference", $$"""{"prompt": "q", "chosen": [{{Good}}], "rejected": [{{Bad}}]}"""],
        ["preference", $$"""{"prompt": "q", "chosen": [{{User}}, {{Good}}], "rejected": [{{User}}, {{Bad}}]}"""],
        ["implicit-preference", $$"""{"chosen": [{{User}}, {{Good}}], "rejected": [{{User}}, {{Bad}}]}"""],
        ["safety-preference", """{"prompt": "q", "response_0": "bad", "response_1": "good", "is_response_0_safe": false, "is_response_1_safe": true, "better_response_id": 0, "safer_response_id": 1}"""],
        ["safety-preference", """{"prompt": "q", "response_0": "good", "response_1": "bad", "safer_response_id": 0}"""],
        ["openai-preference", $$"""{"input": {"messages": [{{User}}], "tools": []}, "preferred_output": [{{Good}}], "non_preferred_output": [{{Bad}}]}"""],
        ["alpaca-preference", """{"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"}"""],
        ["sharegpt-preference", """{"conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}}"""],
    ];

    [TestMethod]
    [DynamicData(nameof(Conversations))]
    public void Read_EveryShapeOfConversations_GivesThePromptWithEitherAnswer(string shape, string line)
    {
        using TemporaryFile file = new(line);
        EvaluationData measured = EvaluationData.Read(file.Path);
        AssertConversation(measured.Answers.Rows.Single(), "good");
        PreferenceRow row = measured.Pairs!.Rows.Single();
        Assert.AreEqual((shape, "line 1"), (row.Shape, row.Place));
        AssertConversation(row.Chosen, "good");
        AssertConversation(row.Rejected, "bad");
    }

    [TestMethod]
    [DataRow("""{"prompt": "2+2=", "chosen": "4", "rejected": "5"}""", "2+2=", "4", "5")]
    // What both begin with ends before the space: the word behind it is encoded with its space, and a word that begins alike stays whole.
    [DataRow("""{"chosen": "Human: hi Assistant: hello", "rejected": "Human: hi Assistant: help"}""", "Human: hi Assistant:", " hello", " help")]
    [DataRow("""{"chosen": "same yes", "rejected": "same yes sir"}""", "same", " yes", " yes sir")]
    public void Read_Texts_ArePlainText(string line, string prompt, string chosen, string rejected)
    {
        using TemporaryFile file = new(line);
        PreferenceRow row = PreferenceDataSet.Read(file.Path).Rows.Single();
        Assert.AreEqual(new TextRow("line 1", prompt, chosen), row.Chosen);
        Assert.AreEqual(new TextRow("line 1", prompt, rejected), row.Rejected);
    }

    [TestMethod]
    public void Read_InstructionWithAlpacasPrompt_IsThatText()
    {
        using TemporaryFile file = new("""{"instruction": "q", "chosen": "good", "rejected": "bad"}""");
        PreferenceRow row = PreferenceDataSet.Read(file.Path, new DataReadingOptions { PromptStyle = PromptStyle.Alpaca }).Rows.Single();
        StringAssert.EndsWith(((TextRow)row.Chosen).Prompt, "### Instruction:\nq\n\n### Response:");
    }

    [TestMethod]
    [DataRow("{\"chosen\": [", "broken line", "line 1")]
    [DataRow("17", "not an object", "line 1")]
    [DataRow("""{"messages": []}""", "no answers to choose from", "aligner train sft")]
    [DataRow("""{"prompt": "p", "chosen": "c"}""", "\"rejected\" is missing", "line 1")]
    [DataRow("""{"chosen": "c", "rejected": 5}""", "\"rejected\" is not a list", "line 1")]
    [DataRow("""{"prompt": "p", "chosen": [{"role": "user", "content": "c"}], "rejected": [{"role": "assistant", "content": "r"}]}""", "\"chosen\" does not end with an answer", "line 1")]
    [DataRow("""{"prompt": "p", "response_0": "a", "response_1": "b", "safer_response_id": 2}""", "\"safer_response_id\" names no answer", "0 or 1")]
    [DataRow("""{"prompt": "p", "response_0": "a", "safer_response_id": 0}""", "\"response_1\" is missing", "line 1")]
    [DataRow("""{"input": "p", "preferred_output": [], "non_preferred_output": []}""", "\"input\" has no messages", "line 1")]
    public void Read_ABrokenRow_IsRefusedWithItsPlace(string line, string reason, string told)
    {
        using TemporaryFile file = new(line);
        DataRefusedException refused = Assert.ThrowsExactly<DataRefusedException>(() => PreferenceDataSet.Read(file.Path));
        Assert.Contains(reason, refused.Message);
        Assert.Contains(told, refused.Message);
    }

    [TestMethod]
    public void Encode_RowsThatCannotBeLearnt_AreLeftOutWithTheirReasons()
    {
        using TemporaryFile file = new(string.Join('\n',
            """{"prompt": "a", "chosen": "bc", "rejected": "d"}""",
            """{"prompt": "a", "chosen": "", "rejected": "d"}""",
            """{"chosen": "same", "rejected": "same"}""",
            """{"prompt": "abcdef", "chosen": "g", "rejected": "h"}""",
            """{"prompt": "abcd", "chosen": "efX", "rejected": "efY"}""",
            """{"prompt": "abc", "chosen": "defg", "rejected": "h"}""",
            """{"prompt": "a", "response_0": "b", "response_1": "c", "is_response_0_safe": false, "is_response_1_safe": false, "safer_response_id": 0}"""));
        ConversationEncoder letters = new((_, _) => "", text => [.. text.Select(letter => (int)letter)], new EncodingOptions { MaximumLength = 6 });
        EncodedPreferences encoded = new PreferenceEncoder(letters).Encode(PreferenceDataSet.Read(file.Path));
        CollectionAssert.AreEqual(new[] { "line 1", "line 6" }, encoded.Pairs.Select(pair => pair.Place).ToArray());
        Assert.AreEqual((2, 1, 5 + 10, 2 + 1 + 3 + 1), (encoded.Report.Rows, encoded.Report.Truncated, (int)encoded.Report.Tokens, (int)encoded.Report.CompletionTokens));
        CollectionAssert.AreEqual(
            new[] { "line 2: an answer is empty", "line 3: both answers are the same", "line 4: the prompt fills the maximum length of 6 tokens", "line 5: both answers are the same", "line 7: neither answer is safe" },
            encoded.Report.Dropped.Select(row => $"{row.Place}: {row.Reason}").ToArray());
    }

    [TestMethod]
    public void Read_RealFiles_AreWhole()
    {
        PreferenceDataSet pocket = PreferenceDataSet.Read(Material.PocketData("refuse.preference.train.jsonl"));
        Assert.HasCount(160, pocket.Rows);
        PreferenceDataSet factory = PreferenceDataSet.Read(Material.Shared("data", "lf_dpo_en_demo.json"));
        Assert.HasCount(300, factory.Rows);
        Assert.IsTrue(factory.Rows.All(row => row is { Shape: "sharegpt-preference", Chosen: ConversationRow, Rejected: ConversationRow }));
        PreferenceDataSet harmless = PreferenceDataSet.Read(Material.Shared("data", "hh_rlhf_harmless_test.jsonl.gz"));
        Assert.HasCount(2312, harmless.Rows);
        Assert.IsTrue(harmless.Rows.All(row => row.Chosen is UnusableRow || ((TextRow)row.Chosen).Prompt == ((TextRow)row.Rejected).Prompt));
    }

    private static void AssertConversation(DataRow found, string answer)
    {
        ConversationRow row = (ConversationRow)found;
        Assert.AreEqual(1, row.PromptTurns);
        CollectionAssert.AreEqual(new[] { new ConversationTurn("user", "q"), new ConversationTurn("assistant", answer) }, row.Turns.ToArray());
    }
}
