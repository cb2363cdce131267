using AlignerOnnx.Graph;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
[DoNotParallelize] // Redirects the process's console.
public sealed class ErrorRendererTests
{
    public static IEnumerable<object[]> Failures =>
    [
        [new ModelRefusedException("no attention site", "model.onnx, node /attn/Core", "op Attention", "GroupQueryAttention", "export it again"), ExitCodes.ModelRefused],
        [new AdapterRefusedException("another base"), ExitCodes.AdapterOrDataRefused],
        [new DataRefusedException("broken line", "train.jsonl line 7"), ExitCodes.AdapterOrDataRefused],
        [new OperationCanceledException(), ExitCodes.Cancelled],
        [new IOException("disk full"), ExitCodes.Failure],
    ];

    [TestMethod]
    [DynamicData(nameof(Failures))]
    public void Write_AFailure_GivesItsExitCode(Exception failure, int exitCode)
    {
        (int actual, string output, string errors) = Render(failure, json: false);
        Assert.AreEqual(exitCode, actual);
        Assert.IsEmpty(output);
        Assert.StartsWith("aligner: ", errors);
    }

    [TestMethod]
    public void Write_ARefusal_SaysWhatWhereFoundExpectedAndWhatToDo()
    {
        (_, _, string errors) = Render((Exception)Failures.First()[0], json: false);
        Assert.AreEqual(
            """
            aligner: no attention site
              where: model.onnx, node /attn/Core
              found: op Attention
              expected: GroupQueryAttention
              what to do: export it again
            """, errors.Trim());
    }

    public static IEnumerable<object[]> Explained =>
    [
        [new OutputTakenException("/adapters/json"), "Name a new folder"],
        [new IOException("Failed to bind", new Microsoft.AspNetCore.Connections.AddressInUseException("in use")), "--urls"],
        [new HttpRequestException("Connection refused"), "--server"],
        [new IOException("The checkpoint cannot be written.\n  what to do: make room on the disk"), "make room"],
        [new UnauthorizedAccessException("Access denied"), "permissions"],
    ];

    /// <summary>Failures of the place, not of the program: a stack trace would help nobody, what to do does.</summary>
    [TestMethod]
    [DynamicData(nameof(Explained))]
    public void Write_AFailureOfThePlace_SaysWhatToDoAndNothingOfStacks(Exception failure, string remedy)
    {
        (int exitCode, _, string errors) = Render(failure, json: false);
        Assert.AreEqual(ExitCodes.Failure, exitCode);
        Assert.Contains(remedy, errors);
        Assert.DoesNotContain(ErrorRenderer.DebugVariable, errors);
    }

    [TestMethod]
    public void Write_ARefusalAsJson_KeepsThePartsApart()
    {
        (_, string output, _) = Render((Exception)Failures.First()[0], json: true);
        System.Text.Json.JsonElement document = System.Text.Json.JsonDocument.Parse(output).RootElement;
        System.Text.Json.JsonElement error = document.GetProperty("error");
        Assert.AreEqual("model-refused", error.GetProperty("kind").GetString());
        Assert.AreEqual("export it again", error.GetProperty("remedy").GetString());
        Assert.AreEqual(ExitCodes.ModelRefused, document.GetProperty("exit_code").GetInt32());
    }

    private static (int ExitCode, string Output, string Errors) Render(Exception failure, bool json)
    {
        (TextWriter output, TextWriter errors) = (Console.Out, Console.Error);
        using StringWriter newOutput = new();
        using StringWriter newErrors = new();
        try
        {
            Console.SetOut(newOutput);
            Console.SetError(newErrors);
            return (ErrorRenderer.Write(new CommandOutput(json), failure), newOutput.ToString(), newErrors.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(errors);
        }
    }
}
