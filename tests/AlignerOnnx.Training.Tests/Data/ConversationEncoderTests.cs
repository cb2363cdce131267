using AlignerOnnx.Graph;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class ConversationEncoderTests
{
    // The embedded model's chat template.
    private static string Template(IReadOnlyList<ConversationTurn> turns, bool generate) =>
        string.Concat(turns.Select(turn => $"<|{turn.Role}|>\n{turn.Content}<|end|>\n")) + (generate ? "<|assistant|>\n" : "");

    // One token a character: every prefix of a text is a prefix of its tokens.
    private static int[] Characters(string text) => [.. text.Select(letter => (int)letter)];

    private static string Text(IEnumerable<int> ids) => string.Concat(ids.Select(id => (char)id));

    private static ConversationEncoder Encoder(EncodingOptions? options = null) => new(Template, Characters, options);

    private static ConversationRow Chat(params string[] contents) =>
        new("line 1", [.. contents.Select((content, i) => new ConversationTurn(i % 2 == 0 ? "user" : "assistant", content))], contents.Length - 1);

    private static string Learnt(TrainingExample example) => Text(example.Labels.Where(label => label != TrainingExample.IgnoredLabel));

    [TestMethod]
    public void EncodeRow_Conversation_LearnsTheLastAnswerAndItsEnd()
    {
        TrainingExample example = Encoder().EncodeRow(Chat("hi", "yo", "and?", "so"));
        Assert.AreEqual("<|user|>\nhi<|end|>\n<|assistant|>\nyo<|end|>\n<|user|>\nand?<|end|>\n<|assistant|>\nso<|end|>", Text(example.InputIds));
        Assert.AreEqual("so<|end|>", Learnt(example));
        Assert.AreEqual(9, example.TargetCount);
    }

    private static ConversationRow ChatOfTwo() => Chat("hi", "yo", "and?", "so") with { EarlierAnswers = [1] };

    [TestMethod]
    [DataRow(LossOn.Answers, "yo<|end|>so<|end|>")]
    [DataRow(LossOn.LastAnswer, "so<|end|>")]
    [DataRow(LossOn.All, "<|user|>\nhi<|end|>\n<|assistant|>\nyo<|end|>\n<|user|>\nand?<|end|>\n<|assistant|>\nso<|end|>")]
    public void EncodeRow_TwoAnswers_LearnsThoseAskedFor(LossOn lossOn, string learnt)
    {
        TrainingExample example = Encoder(new EncodingOptions { LossOn = lossOn }).EncodeRow(ChatOfTwo());
        Assert.AreEqual("<|user|>\nhi<|end|>\n<|assistant|>\nyo<|end|>\n<|user|>\nand?<|end|>\n<|assistant|>\nso<|end|>", Text(example.InputIds));
        Assert.AreEqual(learnt, Learnt(example));
    }

    [TestMethod]
    public void EncodeRow_TokensMergeAcrossEveryBorder_LearnsTheSameAnswers()
    {
        static int[] Merging(string text) => Characters(text.Replace("\ny", "\u0100", StringComparison.Ordinal).Replace("\ns", "\u0101", StringComparison.Ordinal));
        Assert.AreEqual("yo<|end|>so<|end|>", Learnt(new ConversationEncoder(Template, Merging).EncodeRow(ChatOfTwo())));
    }

    [TestMethod]
    public void EncodeRow_TemplateThatRewritesEarlierAnswers_LearnsTheLastOne()
    {
        // Thoughts are kept in the last answer and dropped from earlier ones, as Qwen 3's template does.
        static string Forgetful(IReadOnlyList<ConversationTurn> turns, bool generate) =>
            Template([.. turns.Select((turn, i) => i == turns.Count - 1 && !generate ? turn : turn with { Content = turn.Content.Replace("~", "", StringComparison.Ordinal) })], generate);
        ConversationRow row = Chat("hi", "~yo", "and?", "~so") with { EarlierAnswers = [1] };
        Assert.AreEqual("~so<|end|>", Learnt(new ConversationEncoder(Forgetful, Characters).EncodeRow(row)));
    }

    [TestMethod]
    public void EncodeRow_TemplateThatEndsTurnsWithALineBreak_KeepsIt()
    {
        ConversationEncoder encoder = new((turns, generate) => string.Concat(turns.Select(t => $"{t.Role}: {t.Content}\n")) + (generate ? "assistant: " : ""), Characters);
        Assert.AreEqual("yo\n", Learnt(encoder.EncodeRow(Chat("hi", "yo"))));
    }

    [TestMethod]
    public void EncodeRow_TokenizerMergesAcrossTheBorder_EncodesApart()
    {
        // "\ny" is one token of this tokenizer, so the prompt, which ends in "\n", is no prefix.
        static int[] Merging(string text) => Characters(text.Replace("\ny", "\u0100", StringComparison.Ordinal));
        TrainingExample example = new ConversationEncoder(Template, Merging).EncodeRow(Chat("hi", "yo"));
        Assert.AreEqual("<|user|>\nhi<|end|>\n<|assistant|>\nyo<|end|>", Text(example.InputIds));
        Assert.AreEqual("yo<|end|>", Learnt(example));
    }

    [TestMethod]
    public void EncodeRow_TemplateChangesEarlierText_StillLearnsTheAnswerAfterTheGenerationPrompt()
    {
        // A template that opens a thought in the generation prompt and leaves it out of finished answers.
        ConversationEncoder encoder = new((turns, generate) => Template(turns, generate) + (generate ? "<think></think>" : ""), Characters);
        TrainingExample example = encoder.EncodeRow(Chat("hi", "yo"));
        Assert.AreEqual("<|user|>\nhi<|end|>\n<|assistant|>\n<think></think>yo<|end|>", Text(example.InputIds));
        Assert.AreEqual("yo<|end|>", Learnt(example));
    }

    [TestMethod]
    public void EncodeRow_Text_UsesNoTemplateAndAppendsTheEnd()
    {
        TrainingExample example = Encoder(new EncodingOptions { EndOfTextId = 3 }).EncodeRow(new TextRow("line 1", "2+2=", "4"));
        CollectionAssert.AreEqual(new[] { -100, -100, -100, -100, '4', 3 }, example.Labels);
    }

    [TestMethod]
    public void Encode_MaximumLength_TruncatesAndDropsWithReason()
    {
        using TemporaryFile file = new("""
            {"prompt": "abc", "completion": "defgh"}
            {"prompt": "abcdef", "completion": "g"}
            {"prompt": "a", "completion": "b"}
            {"input_ids": [7, 8], "labels": [7, -100]}
            """);
        EncodedDataSet set = Encoder(new EncodingOptions { MaximumLength = 5 }).Encode(ConversationDataSet.Read(file.Path));
        Assert.HasCount(2, set.Examples);
        Assert.AreEqual("de", Learnt(set.Examples[0]));
        Assert.AreEqual("line 3", set.Examples[1].Place);
        DataReport report = set.Report;
        Assert.AreEqual((2, 7L, 3L, 1), (report.Rows, report.Tokens, report.CompletionTokens, report.Truncated));
        Assert.AreEqual(new DroppedRow("line 2", "the prompt fills the maximum length of 5 tokens"), report.Dropped[0]);
        Assert.AreEqual(new DroppedRow("line 4", "no completion token"), report.Dropped[1]);
    }

    [TestMethod]
    public void Encode_RowsLeftOut_AreReportedByReason()
    {
        using TemporaryFile file = new("""
            {"text": "abc"}
            {"instruction": "a", "output": ""}
            {"instruction": "b", "output": ""}
            {"instruction": "c", "output": "d"}
            {"text": ""}
            {"instruction": "e", "output": ""}
            {"instruction": "f", "output": ""}
            """);
        DataReport report = Encoder().Encode(ConversationDataSet.Read(file.Path)).Report;
        Assert.HasCount(2, report.DroppedByReason);
        Assert.AreEqual(("the answer is empty", 4), (report.DroppedByReason[0].Reason, report.DroppedByReason[0].Rows));
        CollectionAssert.AreEqual(new[] { "line 2", "line 3", "line 6" }, report.DroppedByReason[0].FirstPlaces.ToArray());
        Assert.AreEqual(2, report.Shapes["text"]);
        Assert.AreEqual(5, report.Shapes["alpaca"]);
    }

    [TestMethod]
    public void Encode_NothingLeft_IsRefused()
    {
        using TemporaryFile file = new("""{"prompt": "abcdef", "completion": "g"}""");
        Assert.ThrowsExactly<DataRefusedException>(() => Encoder(new EncodingOptions { MaximumLength = 4 }).Encode(ConversationDataSet.Read(file.Path)));
    }

    [TestMethod]
    public void Encode_TokenOutsideTheVocabulary_IsRefusedWithItsLine()
    {
        using TemporaryFile file = new("{\"input_ids\": [1, 2], \"labels\": [-100, 2]}\n{\"input_ids\": [1, 10], \"labels\": [-100, 10]}");
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => Encoder(new EncodingOptions { VocabularySize = 10 }).Encode(ConversationDataSet.Read(file.Path)));
        Assert.AreEqual($"{file.Path}, line 2", refusal.Where);
    }

    [TestMethod]
    public void Constructor_MaximumLengthOfOne_IsRefused() =>
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Encoder(new EncodingOptions { MaximumLength = 1 }));
}
