namespace AlignerOnnx.GenAI.Tests;

/// <summary>Which answers are calls, in the forms that models are taught, and which are words or JSON of another meaning.</summary>
[TestClass]
public sealed class FunctionCallReaderTests
{
    [TestMethod]
    [DataRow("""{"name": "weather", "arguments": {"place": "Rome"}}""", "", "weather {\"place\": \"Rome\"}")]
    [DataRow(""" [{"name": "weather", "parameters": {}}, {"name": "time", "arguments": {"zone": 1}}]""", "", "weather {}|time {\"zone\": 1}")]
    [DataRow("<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>\n<tool_call>{\"name\": \"weather\", \"arguments\": {}}</tool_call>", "", "time {}|weather {}")]
    [DataRow("I look. <tool_call>{\"name\": \"time\", \"arguments\": {}}", "I look. ", "time {}")]
    [DataRow("It is 3 < 4 <tool", "It is 3 < 4 <tool", "")]
    [DataRow("""{"name": "other", "arguments": {}}""", """{"name": "other", "arguments": {}}""", "")]
    [DataRow("""{"name": "time", "arguments": "now"}""", """{"name": "time", "arguments": "now"}""", "")]
    [DataRow("""{"name": "time", "arg""", """{"name": "time", "arg""", "")]
    [DataRow("[]", "[]", "")]
    [DataRow("  ", "  ", "")]
    [DataRow("Words {\"name\": \"time\", \"arguments\": {}}", "Words {\"name\": \"time\", \"arguments\": {}}", "")]
    public void HoweverTheAnswerIsCut_TheSameIsSaidAndCalled(string answer, string said, string calls)
    {
        for (int size = 1; size <= answer.Length; size++)
        {
            FunctionCallReader reader = new(new CallableFunctions([new("weather"), new("time")]));
            string begun = string.Concat(answer.Chunk(size).Select(piece => reader.Add(new string(piece))));
            (string rest, IReadOnlyList<FunctionCall> found) = reader.End();
            Assert.AreEqual(said, begun + rest, $"pieces of {size}");
            Assert.AreEqual(calls, string.Join('|', found.Select(call => $"{call.Name} {call.Arguments}")), $"pieces of {size}");
        }
    }

    [TestMethod]
    public void WhereOneCallIsAllowed_TheOthersWait()
    {
        FunctionCallReader reader = new(new CallableFunctions([new("weather"), new("time")]) { SeveralCalls = false });
        reader.Add("""[{"name": "time", "arguments": {}}, {"name": "weather", "arguments": {}}]""");
        Assert.AreEqual("time", reader.End().Calls.Single().Name);
    }

    [TestMethod]
    public void WhereThereAreNoFunctions_AllIsSaidAtOnce()
    {
        FunctionCallReader reader = new(CallableFunctions.None);
        Assert.AreEqual("""{"name": """, reader.Add("""{"name": """));
        Assert.AreEqual("", reader.End().Said);
    }
}
