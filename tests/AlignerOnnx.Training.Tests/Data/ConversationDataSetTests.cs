using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class ConversationDataSetTests
{
    private const string Good = """{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]}""";

    [TestMethod]
    public void Read_Messages_LearnsTheLastTurn()
    {
        using TemporaryFile file = new(Good);
        ConversationRow row = (ConversationRow)ConversationDataSet.Read(file.Path).Rows.Single();
        Assert.AreEqual(1, row.PromptTurns);
        Assert.AreEqual(new ConversationTurn("assistant", "yo"), row.Turns[1]);
        Assert.AreEqual("line 1", row.Place);
    }

    [TestMethod]
    public void Read_PairOfStrings_IsPlainText()
    {
        using TemporaryFile file = new("""{"prompt": "2+2=", "completion": "4"}""");
        Assert.AreEqual(new TextRow("line 1", "2+2=", "4") { Shape = "prompt-completion" }, ConversationDataSet.Read(file.Path).Rows.Single());
    }

    [TestMethod]
    public void Read_PairOfLists_LearnsAllTurnsOfTheCompletion()
    {
        using TemporaryFile file = new("""{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}]}""");
        ConversationRow row = (ConversationRow)ConversationDataSet.Read(file.Path).Rows.Single();
        Assert.AreEqual(2, row.PromptTurns);
        Assert.HasCount(3, row.Turns);
    }

    [TestMethod]
    public void Read_TextParts_AreJoined()
    {
        using TemporaryFile file = new("""{"messages": [{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]}""");
        Assert.AreEqual("ab", ((ConversationRow)ConversationDataSet.Read(file.Path).Rows.Single()).Turns[0].Content);
    }

    [TestMethod]
    [DataRow("""{"input_ids": [5, 6], "labels": [-100, 6]}""", "line 1")]
    [DataRow("""[{"input_ids": [5, 6], "labels": [-100, 6]}]""", "row 1")]
    public void Read_Tokens_AreTakenAsTheyAre(string text, string place)
    {
        using TemporaryFile file = new(text);
        TokenRow row = (TokenRow)ConversationDataSet.Read(file.Path).Rows.Single();
        CollectionAssert.AreEqual(new[] { 5, 6 }, row.InputIds);
        CollectionAssert.AreEqual(new[] { -100, 6 }, row.Labels);
        Assert.AreEqual(place, row.Place);
    }

    [TestMethod]
    public void Read_EmptyLinesCarriageReturnsAndByteOrderMark_AreSkippedButCounted()
    {
        using TemporaryFile file = new($"\uFEFF{Good}\r\n\r\n{Good}\r\n");
        CollectionAssert.AreEqual(new[] { "line 1", "line 3" }, ConversationDataSet.Read(file.Path).Rows.Select(row => row.Place).ToArray());
    }

    /// <summary>What people give instead of JSON lines: the message must name it, not advise to delete rows.</summary>
    [TestMethod]
    [DataRow("prompt,completion\nWhat is 1?,One\n", "CSV")]
    [DataRow("Once upon a time\n", "plain text")]
    public void Read_AnotherFormat_IsRefusedWithWhatIsExpected(string text, string named)
    {
        using TemporaryFile file = new(text);
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
        Assert.Contains(named, refusal.Expected!);
        Assert.Contains("convert", refusal.Remedy!);
    }

    [TestMethod]
    public void Read_BrokenJson_CountsNoLinesOfItsOwn()
    {
        using TemporaryFile file = new($"{Good}\n{{\"prompt\": }}\n");
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
        Assert.AreEqual($"{file.Path}, line 2", refusal.Where);
        Assert.DoesNotContain("LineNumber", refusal.Found!);
        Assert.Contains("at byte 12", refusal.Found!);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Read_Utf16_IsRefusedByItsName(bool bigEndian)
    {
        using TemporaryFile file = new("");
        File.WriteAllText(file.Path, $"{Good}\n", new System.Text.UnicodeEncoding(bigEndian, byteOrderMark: true));
        Assert.Contains("iconv -f UTF-16", Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path)).Remedy!);
    }

    [TestMethod]
    public void Read_AFolder_IsRefusedAsOne()
    {
        Assert.AreEqual("a folder", Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(Path.GetTempPath())).Found);
    }

    [TestMethod]
    public void Read_DataHash_IsTheKnownSha256()
    {
        // The expected value was printed by sha256sum.
        using TemporaryFile file = new("""{"prompt": "a", "completion": "b"}""");
        Assert.AreEqual("847d481b84383733b4909a9a0dff44d7da1246e291c96ecbf4e4d13308e3613a", ConversationDataSet.Read(file.Path).DataHash);
    }

    [TestMethod]
    [DataRow("{\"messages\": [", "broken line")]
    [DataRow("[1]", "not an object")]
    [DataRow("17", "not an object")]
    [DataRow("{}", "no known shape")]
    [DataRow("""{"prompt": "p", "chosen": "c", "rejected": "r"}""", "no known shape")]
    [DataRow("""{"messages": "hi"}""", "not a list")]
    [DataRow("""{"messages": []}""", "does not end with an answer")]
    [DataRow("""{"messages": [{"role": "user", "content": "hi"}]}""", "does not end with an answer")]
    [DataRow("""{"messages": [{"role": "assistant"}]}""", "not a message")]
    [DataRow("""{"messages": [{"role": "assistant", "content": 3}]}""", "not text")]
    [DataRow("""{"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}""", "not text")]
    [DataRow("""{"prompt": "p", "completion": ""}""", "empty")]
    [DataRow("""{"prompt": "p", "completion": []}""", "wrong type")]
    [DataRow("""{"completion": "c"}""", "\"prompt\" is missing")]
    [DataRow("""{"input_ids": [1]}""", "\"labels\" is missing")]
    [DataRow("""{"input_ids": [], "labels": []}""", "do not match")]
    [DataRow("""{"input_ids": [1, 2], "labels": [1]}""", "do not match")]
    [DataRow("""{"input_ids": [1, 2], "labels": [2, -100]}""", "labels[0] is not its token")]
    [DataRow("""{"input_ids": [-1], "labels": [-100]}""", "not a token id")]
    [DataRow("""{"input_ids": [1.5], "labels": [-100]}""", "not a token id")]
    [DataRow("""{"input_ids": [99999999999], "labels": [-100]}""", "not a token id")]
    public void Read_BrokenLine_IsRefusedWithFileAndLine(string broken, string what)
    {
        using TemporaryFile file = new($"{Good}\n{Good}\n{broken}\n");
        DataRefusedException refusal = Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
        Assert.Contains(what, refusal.What);
        Assert.AreEqual($"{file.Path}, line 3", refusal.Where);
        Assert.IsNotNull(refusal.Found);
        Assert.IsNotNull(refusal.Expected);
        Assert.IsNotNull(refusal.Remedy);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("\n \n")]
    [DataRow("[]")]
    public void Read_NoRow_IsRefused(string text)
    {
        using TemporaryFile file = new(text);
        Assert.Contains("empty", Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path)).What);
    }

    [TestMethod]
    public void Read_MissingFile_IsRefused() =>
        Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.jsonl")));

    [TestMethod]
    public void Read_DeepNesting_IsRefused()
    {
        using TemporaryFile file = new(new StringBuilder().Append('[', 100_000).ToString());
        Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
    }

    [TestMethod]
    [DataRow("form-json.train.jsonl", 256)]
    [DataRow("form-pirate.eval.jsonl", 80)]
    public void Read_EmbeddedData_HasItsRows(string name, int rows) =>
        Assert.HasCount(rows, ConversationDataSet.Read(Material.PocketData(name)).Rows);

    [TestMethod]
    public void Read_RecipeTokens_AreAllTokenRows()
    {
        ConversationDataSet data = ConversationDataSet.Read(Material.Shared("recipes", "smollm2-json", "train.ids.json"));
        Assert.HasCount(256, data.Rows);
        Assert.IsTrue(data.Rows.All(row => row is TokenRow));
    }
}
