using System.Text.Json;
using System.Text.RegularExpressions;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GenAI.Tests;

/// <summary>Biases, penalties, log-probabilities and forms that an answer must have.</summary>
[TestClass]
public sealed class SteeringTests
{
    private static ChatModel s_model = null!;
    private static int[] s_prompt = [];

    [ClassInitialize]
    public static void Load(TestContext _)
    {
        s_model = new ChatModel(Material.Pocket("model-fp32"));
        s_prompt = s_model.Encode(s_model.ApplyChatTemplate([new ChatTurn("user", "Tell me where a pig lives.")]));
    }

    [ClassCleanup]
    public static void Unload() => s_model.Dispose();

    [TestMethod]
    public void LogitBias_AgainstAToken_KeepsItOut()
    {
        int first = Run(new()).First().Id;
        GeneratedToken[] without = Run(new() { [first] = -100 });
        Assert.IsFalse(without.Any(token => token.Id == first));
        int other = (first + 7) % 200;
        Assert.AreEqual(other, Run(new() { [other] = 100 }).First().Id);
        Assert.AreEqual(first, Run(new() { [int.MaxValue] = 100 }).First().Id, "a number beyond the vocabulary changes nothing");
    }

    [TestMethod]
    public void Logprobs_OfEachStep_AreALogSoftmaxAndTheGreedyTokenLeads()
    {
        GeneratedToken[] plain = [.. s_model.Generate(Request())];
        GeneratedToken[] told = [.. s_model.Generate(Request() with { TopLogprobs = 20 })];
        CollectionAssert.AreEqual(plain.Select(token => token.Id).ToArray(), told.Select(token => token.Id).ToArray());
        foreach (GeneratedToken token in told)
        {
            Assert.AreEqual(token.Id, token.Logprobs!.Top[0].Id);
            Assert.AreEqual(token.Logprobs.Chosen, token.Logprobs.Top[0].Logprob);
            double mass = token.Logprobs.Top.Sum(each => Math.Exp(each.Logprob));
            Assert.IsTrue(mass is > 0.3 and <= 1.00001, $"{mass}");
            CollectionAssert.AreEqual(token.Logprobs.Top.Select(each => each.Logprob).OrderDescending().ToArray(), token.Logprobs.Top.Select(each => each.Logprob).ToArray());
        }
    }

    [TestMethod]
    public void Penalties_Strong_LessenRepetition()
    {
        GenerationRequest loose = Request() with { MaxNewTokens = 60, Temperature = 1.5f, Seed = 3 };
        int plain = s_model.Generate(loose).Select(token => token.Id).Distinct().Count();
        GeneratedToken[] penalised = [.. s_model.Generate(loose with { PresencePenalty = 2, FrequencyPenalty = 2 })];
        Assert.IsGreaterThanOrEqualTo(Math.Min(plain, penalised.Length), penalised.Select(token => token.Id).Distinct().Count());
    }

    [TestMethod]
    public void Guidance_Regex_TheWholeAnswerMatches()
    {
        string text = Text(new Guidance(GuidanceKind.Regex, "[a-c]{4}-[0-9]{3}"));
        Assert.IsTrue(Regex.IsMatch(text, @"\A[a-c]{4}-[0-9]{3}\z"), text);
    }

    [TestMethod]
    public void Guidance_JsonSchema_TheAnswerIsOne()
    {
        string text = Text(new Guidance(GuidanceKind.JsonSchema, """{"type":"object","properties":{"colour":{"enum":["red","blue"]},"count":{"type":"integer","minimum":1,"maximum":9}},"required":["colour","count"],"additionalProperties":false}"""));
        JsonElement answer = JsonDocument.Parse(text).RootElement;
        Assert.IsTrue(answer.GetProperty("colour").GetString() is "red" or "blue");
        Assert.IsTrue(answer.GetProperty("count").GetInt32() is >= 1 and <= 9);
    }

    [TestMethod]
    [DataRow(GuidanceKind.Regex, "[")]
    [DataRow(GuidanceKind.JsonSchema, "{")]
    [DataRow(GuidanceKind.JsonSchema, """{"type":"nonsense"}""")]
    [DataRow(GuidanceKind.Grammar, "start: [")]
    public void Guidance_Malformed_IsRefusedWithTheReason(GuidanceKind kind, string text) =>
        Assert.ThrowsExactly<GuidanceRefusedException>(() => s_model.Generate(Request() with { Guidance = new Guidance(kind, text) }).ToArray());

    private static GenerationRequest Request() => new() { PromptIds = s_prompt, Temperature = 0, MaxNewTokens = 12 };

    private static GeneratedToken[] Run(Dictionary<int, float> bias) => [.. s_model.Generate(Request() with { LogitBias = bias })];

    private static string Text(Guidance guidance) => string.Concat(s_model.Generate(Request() with { Guidance = guidance, MaxNewTokens = 100 }).Select(token => token.Text));
}
