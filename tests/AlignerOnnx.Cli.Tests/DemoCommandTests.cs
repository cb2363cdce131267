using System.Text.Json;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class DemoCommandTests
{
    [TestMethod]
    public async Task Demo_EndToEnd_TeachesTheFormAndKeepsTheFacts()
    {
        JsonElement result = (await AlignerProcess.RunAsync("demo", "--json")).Expect(ExitCodes.Done).Document;
        JsonElement before = result.GetProperty("before");
        JsonElement after = result.GetProperty("after");
        Assert.IsLessThan(0.5, before.GetProperty("form_rate").GetDouble());
        Assert.IsGreaterThanOrEqualTo(0.9, after.GetProperty("form_rate").GetDouble());
        Assert.IsGreaterThanOrEqualTo(0.75, after.GetProperty("fact_accuracy").GetDouble());
        // The base model's forms are mixed: that is what there is to teach.
        Assert.IsGreaterThanOrEqualTo(5, before.GetProperty("drawn_forms").EnumerateObject().Count());
        Assert.AreEqual(120, result.GetProperty("training").GetProperty("steps").GetInt32());
        Assert.IsGreaterThan(0.0, result.GetProperty("total_seconds").GetDouble());
    }

    [TestMethod]
    public async Task Demo_SameSeed_GivesTheSameFigures()
    {
        JsonElement first = await ShortRun();
        JsonElement second = await ShortRun();
        foreach (string part in (string[])["before", "after", "answers"])
        {
            Assert.AreEqual(first.GetProperty(part).GetRawText(), second.GetProperty(part).GetRawText(), part);
        }
        Assert.AreEqual(first.GetProperty("training").GetProperty("final_loss").GetDouble(), second.GetProperty("training").GetProperty("final_loss").GetDouble());
    }

    [TestMethod]
    public async Task Demo_UnknownForm_IsAUsageError() =>
        Assert.Contains("pirate", (await AlignerProcess.RunAsync("demo", "--form", "poem")).Expect(ExitCodes.Usage).Errors);

    private static async Task<JsonElement> ShortRun() =>
        (await AlignerProcess.RunAsync("demo", "--form", "pirate", "--seed", "5", "--steps", "10", "--json")).Expect(ExitCodes.Done).Document;
}
