namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class UsageTests
{
    [TestMethod]
    [DataRow("")]
    [DataRow("no-such-command")]
    [DataRow("--no-such-option")]
    public async Task CommandLine_Wrong_ExitsWithUsageAndNamesTheHelp(string line)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries))).Expect(ExitCodes.Usage);
        Assert.IsEmpty(run.Output);
        Assert.Contains("--help", run.Errors);
        Assert.DoesNotContain("   at ", run.Errors);
    }

    [TestMethod]
    public async Task CommandLine_WrongWithJson_PutsOneErrorDocumentOnStdout()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("no-such-command", "--json")).Expect(ExitCodes.Usage);
        Assert.AreEqual("usage", run.Document.GetProperty("error").GetProperty("kind").GetString());
        Assert.AreEqual(ExitCodes.Usage, run.Document.GetProperty("exit_code").GetInt32());
    }

    [TestMethod]
    public async Task Version_IsPrinted()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("--version")).Expect(ExitCodes.Done);
        Assert.StartsWith("0.", run.Output);
    }
}
