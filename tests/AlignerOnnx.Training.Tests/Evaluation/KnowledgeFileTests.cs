using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class KnowledgeFileTests
{
    private static IReadOnlyList<KnowledgeQuestion> Read(string name, string text)
    {
        string folder = Material.NewTemporaryFolder();
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        try
        {
            return KnowledgeFile.Read(path);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Read_QuotedFields_KeepCommasLineEndsAndQuotationMarks()
    {
        IReadOnlyList<KnowledgeQuestion> questions = Read("q.csv", "\"What, \"\"then\"\"\nis it?\",\"a, b\",c,d,e,B\r\nOne?,1,2,3,4,A");
        Assert.HasCount(2, questions);
        Assert.AreEqual("What, \"then\"\nis it?", questions[0].Question);
        CollectionAssert.AreEqual(new[] { "a, b", "c", "d", "e" }, questions[0].Choices.ToArray());
        Assert.AreEqual("B", questions[0].Answer);
        Assert.AreEqual("line 3", questions[1].Place);
        Assert.AreEqual("One?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer with the letter only.", questions[1].Prompt);
    }

    [TestMethod]
    [DataRow("q.csv", "Q,a,b,c,d,E")]
    [DataRow("q.csv", "Q,a,b")]
    [DataRow("q.csv", "Q,a,b,c,d,AB")]
    [DataRow("q.csv", "")]
    [DataRow("q.jsonl", "{\"question\": \"q\"}")]
    [DataRow("q.jsonl", "{\"questions\": [], \"answer\": \"a\"}")]
    [DataRow("q.jsonl", "[3]")]
    public void Read_NoQuestion_IsRefused(string name, string text) => Assert.ThrowsExactly<DataRefusedException>(() => Read(name, text));

    [TestMethod]
    public void Read_EmbeddedFacts_AskTheHeldOutPhrasing()
    {
        IReadOnlyList<KnowledgeQuestion> facts = KnowledgeFile.Read(Material.PocketData("facts.json"));
        Assert.HasCount(261, facts);
        Assert.AreEqual(("France: what is its capital?", "Paris"), (facts[0].Question, facts[0].Answer));
    }

    [TestMethod]
    public void Read_Mmlu_HasFourChoicesInEveryFile()
    {
        KnowledgeQuestion[] all = [.. Directory.GetFiles(Material.Shared("data", "mmlu_val"), "*.csv").SelectMany(KnowledgeFile.Read)];
        Assert.HasCount(1543, all);
        Assert.IsTrue(all.All(question => question.Choices.Count == 4));
    }

    [TestMethod]
    [DataRow("{\"answer\": \"x\"}", "{\"answer\": \"y\"}", true)]
    [DataRow("{\"answer\": \"x\"}", "{\"reply\": \"y\"}", false)]
    [DataRow("Paris", "{\"answer\": \"y\"}", false)]
    [DataRow("Arr, matey! Paris", "Arr, matey! Rome", true)]
    [DataRow("It is Paris.", "Arr, matey! Rome", false)]
    [DataRow("", "", false)]
    public void IsInFormOf_Reference_ComparesFieldsOrForms(string answer, string reference, bool expected) =>
        Assert.AreEqual(expected, FormCheck.IsInFormOf(answer, reference));
}
