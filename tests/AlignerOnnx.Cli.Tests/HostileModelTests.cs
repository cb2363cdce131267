using AlignerOnnx.TestMaterial;
using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Cli.Tests;

/// <summary>A stranger's model through the process itself: exit code 3, the reason on stderr and in the document, nothing half-written.</summary>
[TestClass]
public sealed class HostileModelTests
{
    private readonly string _root = Material.NewTemporaryFolder();

    private string Model => Path.Combine(_root, "model");

    [TestInitialize]
    public void CopyPocket()
    {
        Directory.CreateDirectory(Model);
        foreach (string file in Directory.GetFiles(Material.Pocket()))
        {
            File.Copy(file, Path.Combine(Model, Path.GetFileName(file)));
        }
    }

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_root, recursive: true);

    [TestMethod]
    [DataRow("inspect")]
    [DataRow("patch", "-o", "patched")]
    [DataRow("generate", "--prompt", "hello")]
    public async Task APathOutOfTheFolder_IsRefusedByEveryCommand(string command, params string[] options)
    {
        Change(model => model.Graph.Initializer.First(tensor => tensor.ExternalData.Count > 0).ExternalData.First(entry => entry.Key == "location").Value = "../../../etc/passwd");
        await AssertRefusedAsync("leaves the model's folder", [command, Model, .. options]);
    }

    [TestMethod]
    public async Task ALinkedDataFile_IsRefused()
    {
        string data = Path.Combine(Model, "model.onnx.data");
        File.Delete(data);
        File.CreateSymbolicLink(data, "/dev/zero");
        await AssertRefusedAsync("is a link", ["patch", Model, "-o", "patched"]);
    }

    [TestMethod]
    public async Task ATextFile_IsRefused()
    {
        File.WriteAllText(Path.Combine(Model, "model.onnx"), "version https://git-lfs.github.com/spec/v1");
        await AssertRefusedAsync("not an ONNX model", ["patch", Model, "-o", "patched"]);
    }

    [TestMethod]
    public async Task AQuantisedWeightThatClaimsMoreThanItsTensor_IsRefusedBeforeTheRuntimeSeesIt()
    {
        Change(model => model.Graph.Node.Last(node => node.OpType == "MatMulNBits").Attribute.First(attribute => attribute.Name == "N").I *= 2);
        await AssertRefusedAsync("does not fit its tensors", ["generate", Model, "--prompt", "hello"]);
    }

    [TestMethod]
    public async Task AFunctionThatCallsItself_IsRefusedEvenInAModelThatSaysItIsPatched()
    {
        File.WriteAllText(Path.Combine(Model, "aligner.json"), "{}");
        Change(model => model.Functions.Add(new FunctionProto { Name = "again", Domain = "f", Node = { new NodeProto { OpType = "again", Domain = "f" } } }));
        await AssertRefusedAsync("without end", ["generate", Model, "--prompt", "hello"]);
    }

    private void Change(Action<ModelProto> attack)
    {
        string file = Path.Combine(Model, "model.onnx");
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(file));
        attack(model);
        File.WriteAllBytes(file, model.ToByteArray());
    }

    private async Task AssertRefusedAsync(string reason, IEnumerable<string> arguments)
    {
        AlignerProcess.Run run = (await AlignerProcess.RunAsync([.. arguments, "--json"], _root)).Expect(ExitCodes.ModelRefused);
        Assert.Contains(reason, run.Errors);
        Assert.AreEqual("model-refused", run.Document.GetProperty("error").GetProperty("kind").GetString());
        Assert.Contains(reason, run.Document.GetProperty("error").GetProperty("what").GetString()!);
        CollectionAssert.AreEqual(new[] { Model }, Directory.GetFileSystemEntries(_root));
    }
}
