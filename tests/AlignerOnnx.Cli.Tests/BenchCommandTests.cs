using System.Text.Json;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class BenchCommandTests
{
    [TestMethod]
    public async Task BenchKernels_EmbeddedModel_MeasuresEveryCase()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("bench", "kernels", Material.Pocket(), "--rounds", "1", "--threads", "1", "--json")).Expect(ExitCodes.Done);
        JsonElement[] times = [.. run.Document.GetProperty("times").EnumerateArray()];
        CollectionAssert.AreEqual(
            new[] { "a step of 1 answer", "a step of 2 answers", "a step of 4 answers", "a step of 8 answers", "a step of 16 answers", "a token of a prompt of 16", "a token of a prompt of 48", "a token of a prompt of 256" },
            times.Select(time => time.GetProperty("what").GetString()).ToArray());
        foreach (JsonElement time in times)
        {
            foreach (string figure in new[] { "milliseconds", "processor_milliseconds", "runtime_milliseconds", "runtime_processor_milliseconds", "ratio", "control_ratio" })
            {
                Assert.IsGreaterThan(0.0, time.GetProperty(figure).GetDouble(), $"{figure} of {time.GetProperty("what")}");
            }
        }
        Assert.AreEqual(times[3].GetProperty("ratio").GetDouble(), run.Document.GetProperty("ratio").GetDouble());
        Assert.AreEqual(1, run.Document.GetProperty("runs").GetInt32());
    }

    [TestMethod]
    public async Task BenchKernels_FewerThreadsThanNone_IsAUsageError()
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync("bench", "kernels", Material.Pocket(), "--threads", "-1")).Expect(ExitCodes.Usage);
        Assert.Contains("a whole number from 0", run.Errors);
    }
}
