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

    /// <summary>Values of every kind of option: what is wrong is said in words of the command line, not of .NET.</summary>
    [TestMethod]
    [DataRow("train sft m --data d -o o --schedule foo", "constant, linear, cosine")]
    [DataRow("train sft m --data d -o o --attention foo", "gated, concat")]
    [DataRow("train sft m --data d -o o --order foo", "file, shuffled")]
    [DataRow("train sft m --data d -o o --seed 99999999999", "to 2147483647")]
    [DataRow("train sft m --data d -o o --steps 99999999999", "from 1 to 2147483647")]
    [DataRow("train sft m --data d -o o --patience 3", "--eval")]
    [DataRow("train sft m --data d -o o --ort-training-library l", "--engine ort-training")]
    [DataRow("train sft m --data d -o o --engine onnxruntime --ort-training-library l", "--engine ort-training")]
    [DataRow("bench training m --ort-training-library l", "--engine ort-training")]
    [DataRow("bench training m --table false --ort-training-library l", "--engine ort-training")]
    [DataRow("bench training m --table=foo --ort-training-library l", "'foo'")]
    [DataRow("train sft m --data d -o o --device foo", "cpu, cuda")]
    [DataRow("train sft m --data d -o o --device cuda --engine ort-training", "--engine ort-training")]
    [DataRow("patch m -o o --weights foo", "copy, link")]
    [DataRow("key add k --keys f --role foo", "use, train, admin")]
    public async Task Value_Wrong_IsNamedWithWhatWouldDo(string line, string expected)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync(line.Split(' '))).Expect(ExitCodes.Usage);
        Assert.Contains(expected, run.Errors);
        Assert.DoesNotContain("System.", run.Errors);
        Assert.DoesNotContain("AlignerOnnx.", run.Errors);
    }

    [TestMethod]
    public async Task Version_IsPrinted()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("--version")).Expect(ExitCodes.Done);
        Assert.StartsWith("0.", run.Output);
    }
}
