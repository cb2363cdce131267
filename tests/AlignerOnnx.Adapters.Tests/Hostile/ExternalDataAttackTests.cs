using System.Runtime.InteropServices;
using AlignerOnnx.TestMaterial;
using Onnx;

namespace AlignerOnnx.Adapters.Tests.Hostile;

/// <summary>Attacks through external data: paths that leave the folder, files that are none, regions that do not fit.</summary>
[TestClass]
public sealed partial class ExternalDataAttackTests
{
    [TestMethod]
    [DataRow("../outside", DisplayName = "parent folder")]
    [DataRow("sub/../../outside", DisplayName = "parent folder in the middle")]
    [DataRow("/etc/passwd", DisplayName = "absolute path")]
    [DataRow("/proc/self/mem", DisplayName = "memory of the process")]
    [DataRow("..\\outside", DisplayName = "backslash")]
    [DataRow("%2e%2e%2foutside", DisplayName = "percent encoded")]
    [DataRow("model.onnx.data\0.txt", DisplayName = "NUL")]
    [DataRow("C:outside", DisplayName = "drive")]
    [DataRow("NUL", DisplayName = "device NUL")]
    [DataRow("com1.data", DisplayName = "device COM1 with an extension")]
    [DataRow("./model.onnx.data", DisplayName = "current folder")]
    [DataRow("sub//model.onnx.data", DisplayName = "empty part")]
    [DataRow("model.onnx.data.", DisplayName = "trailing dot, which Windows drops")]
    [DataRow("model\uFFFD.data", DisplayName = "bytes that are no text")]
    public void Location_ThatLeavesTheFolder_IsRefused(string location)
    {
        using HostileModel model = new(proto => HostileModel.Set(HostileModel.External(proto), "location", location));
        File.WriteAllBytes(model.Outside, new byte[1 << 20]);
        model.AssertRefused("leaves the model's folder", location.Split('\0')[0]);
    }

    [TestMethod]
    public void Location_TwiceInOneTensor_IsRefused()
    {
        using HostileModel model = new(proto => HostileModel.External(proto).ExternalData.Add(new StringStringEntryProto { Key = "location", Value = "../outside" }));
        model.AssertRefused("has an entry twice", "location");
    }

    [TestMethod]
    public void Location_OfTheOnnxFileItself_IsRefused()
    {
        using HostileModel model = new(proto =>
        {
            TensorProto tensor = HostileModel.External(proto);
            HostileModel.Set(tensor, "location", "model.onnx");
            HostileModel.Set(tensor, "offset", "0");
        });
        model.AssertRefused("in the .onnx file itself", "model.onnx");
    }

    [TestMethod]
    public void Location_InAnAttributeOfASubgraph_IsCheckedToo()
    {
        using HostileModel model = new(proto =>
        {
            TensorProto hidden = new() { Name = "hidden", DataType = 1, Dims = { 1 }, DataLocation = TensorProto.Types.DataLocation.External };
            HostileModel.Set(hidden, "location", "../outside");
            GraphProto branch = new() { Name = "branch", Output = { new ValueInfoProto { Name = "inner" } } };
            branch.Node.Add(new NodeProto { OpType = "Constant", Output = { "inner" }, Attribute = { new AttributeProto { Name = "value", Type = AttributeProto.Types.AttributeType.Tensor, T = hidden } } });
            NodeProto choice = new() { OpType = "If", Input = { proto.Graph.Input[0].Name }, Output = { "chosen" } };
            choice.Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = branch });
            proto.Graph.Node.Add(choice);
        });
        model.AssertRefused("leaves the model's folder", "../outside");
    }

    [TestMethod]
    public void Data_BehindALink_IsRefused()
    {
        using HostileModel model = new();
        File.Move(model.DataFile, model.Outside);
        File.CreateSymbolicLink(model.DataFile, model.Outside);
        model.AssertRefused("is a link", "model.onnx.data");
    }

    [TestMethod]
    public void Data_BehindAChainOfLinks_IsRefused()
    {
        using HostileModel model = new();
        File.Move(model.DataFile, model.Outside);
        File.CreateSymbolicLink(model.DataFile, Path.Combine(model.Folder, "second"));
        File.CreateSymbolicLink(Path.Combine(model.Folder, "second"), model.Outside);
        model.AssertRefused("is a link", "model.onnx.data");
    }

    [TestMethod]
    public void Data_InALinkedFolder_IsRefused()
    {
        using HostileModel model = new(proto =>
        {
            foreach (TensorProto tensor in proto.Graph.Initializer.Where(tensor => tensor.ExternalData.Count > 0))
            {
                HostileModel.Set(tensor, "location", "sub/model.onnx.data");
            }
        });
        Directory.CreateDirectory(model.Outside);
        File.Move(model.DataFile, Path.Combine(model.Outside, "model.onnx.data"));
        Directory.CreateSymbolicLink(Path.Combine(model.Folder, "sub"), model.Outside);
        model.AssertRefused("link", "sub/model.onnx.data");
    }

    [TestMethod]
    public void Data_ThatIsAFolder_IsRefused()
    {
        using HostileModel model = new();
        File.Delete(model.DataFile);
        Directory.CreateDirectory(model.DataFile);
        model.AssertRefused("is a folder", "model.onnx.data");
    }

    [TestMethod]
    [DataRow("model.onnx.data")]
    [DataRow("model.onnx")]
    [DataRow("genai_config.json")]
    [DataRow("tokenizer.json")]
    public void APipeInTheFolder_IsRefusedAndNotWaitedFor(string file)
    {
        RequireLinux();
        using HostileModel model = new();
        string path = Path.Combine(model.Folder, file);
        File.Delete(path);
        Assert.AreEqual(0, MakePipe(path, 0x1A4));
        model.AssertRefused("is a pipe", file);
    }

    [TestMethod]
    public void ADevice_IsRefused()
    {
        RequireLinux();
        using HostileModel model = new();
        File.Delete(model.DataFile);
        const uint characterDevice = 0x2000 | 0x1A4;
        const ulong zero = 0x105; // major 1, minor 5: /dev/zero, which never ends.
        if (MakeNode(model.DataFile, characterDevice, zero) != 0)
        {
            Assert.Inconclusive("only an administrator makes devices");
        }
        model.AssertRefused("is a device", "model.onnx.data");
    }

    [TestMethod]
    public void ALinkBesideTheModel_IsRefused()
    {
        using HostileModel model = new();
        File.WriteAllText(model.Outside, "secret");
        File.CreateSymbolicLink(Path.Combine(model.Folder, "tokenizer.json"), model.Outside);
        model.AssertRefused("is a link", "tokenizer.json");
    }

    [TestMethod]
    public void Data_ThatIsMissing_IsRefused()
    {
        using HostileModel model = new();
        File.Delete(model.DataFile);
        model.AssertRefused("is missing", "model.onnx.data");
    }

    [TestMethod]
    [DataRow("offset", "-4096", "malformed offset", DisplayName = "negative offset")]
    [DataRow("length", "-1", "malformed length", DisplayName = "negative length")]
    [DataRow("offset", "zero", "malformed offset", DisplayName = "offset that is no number")]
    [DataRow("offset", "0x10", "malformed offset", DisplayName = "hexadecimal offset")]
    [DataRow("offset", "18446744073709551615", "malformed offset", DisplayName = "offset of 64 bits")]
    [DataRow("offset", "9223372036854775807", "does not fit the tensor", DisplayName = "offset that overflows with the length")]
    [DataRow("offset", "1099511627776", "too short", DisplayName = "offset behind the end")]
    [DataRow("length", "1", "does not fit the tensor", DisplayName = "length that is not the shape's")]
    [DataRow("length", "4294967296", "does not fit the tensor", DisplayName = "length of 4 GB")]
    public void ARegionThatDoesNotFit_IsRefused(string key, string value, string reason)
    {
        using HostileModel model = new(proto => HostileModel.Set(HostileModel.External(proto), key, value));
        model.AssertRefused(reason, "initializer '");
    }

    [TestMethod]
    public void AClaimOf4GigabytesInASmallFile_IsRefused()
    {
        using HostileModel model = new(proto =>
        {
            TensorProto tensor = HostileModel.External(proto);
            tensor.DataType = (int)TensorProto.Types.DataType.Float;
            tensor.Dims.Clear();
            tensor.Dims.Add(1L << 30);
            HostileModel.Set(tensor, "offset", "0");
            HostileModel.Set(tensor, "length", "4294967296");
        });
        model.AssertRefused("too short", "at least 4294967296 bytes");
    }

    [TestMethod]
    public void RegionsThatOverlap_AreRefused()
    {
        using HostileModel model = new(proto =>
        {
            TensorProto[] external = [.. proto.Graph.Initializer.Where(tensor => tensor.ExternalData.Count > 0)];
            string offset = external[0].ExternalData.First(entry => entry.Key == "offset").Value;
            HostileModel.Set(external[1], "offset", $"{long.Parse(offset, System.Globalization.CultureInfo.InvariantCulture) + 1}");
        });
        model.AssertRefused("overlap", "regions that are apart");
    }

    [TestMethod]
    public void DataInsideAndOutside_IsRefused()
    {
        using HostileModel model = new(proto => HostileModel.External(proto).RawData = Google.Protobuf.ByteString.CopyFrom(new byte[8]));
        model.AssertRefused("both in the .onnx file and outside", "initializer '");
    }

    private static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Inconclusive("pipes and devices are made with Linux calls");
        }
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "mknod", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeNode(string path, uint mode, ulong device);
}
