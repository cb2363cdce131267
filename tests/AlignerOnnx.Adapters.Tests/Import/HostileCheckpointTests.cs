using System.IO.Compression;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Import;

/// <summary>Checkpoints that strangers wrote to do harm: each is refused with its reason, and nothing in it runs.</summary>
[TestClass]
public sealed class HostileCheckpointTests
{
    private const string Name = "global_value_embedding.weight";

    private string _root = "";

    [TestInitialize]
    public void MakeFolder() => _root = Material.NewTemporaryFolder();

    [TestCleanup]
    public void RemoveFolder() => Directory.Delete(_root, recursive: true);

    private static TorchArchive Start => new TorchArchive().Raw(0x80, 2);

    [TestMethod]
    [DataRow("posix", "system")]
    [DataRow("os", "system")]
    [DataRow("builtins", "eval")]
    [DataRow("torch", "load")]
    [DataRow("torch.serialization", "FloatStorage")]
    [DataRow("collections", "Counter")]
    public void CallOfAFunction_IsRefusedByNameAndNotMade(string module, string function)
    {
        string trace = Path.Combine(_root, "trace");
        AssertRefused($"{module}.{function}", Start.Global(module, function).Raw("(").Text($"touch {trace}").Raw("tR."));
        Assert.IsFalse(File.Exists(trace));
    }

    public static IEnumerable<object[]> Programs =>
    [
        ["0x93", Start.Text("os").Text("system").Raw(0x93).Raw(")R.")],
        ["0x69", Start.Raw("(ios\nsystem\n.")],
        ["0x6f", Start.Raw("(").Global("collections", "OrderedDict").Raw("o.")],
        ["0x81", Start.Global("collections", "OrderedDict").Raw(")").Raw(0x81).Raw(".")],
        ["0x82", Start.Raw(0x82, 1).Raw(".")],
        ["0x50", Start.Raw("Pfile\n.")],
        ["0x53", Start.Raw("S'text'\n.")],
        ["0x8b", Start.Raw(0x8b, 0xff, 0xff, 0xff, 0x7f).Raw(".")],
        ["a text of", Start.Raw((byte)'X', 0xff, 0xff, 0xff, 0xff).Raw(".")],
        ["bytes at byte", Start.Raw((byte)'X', 0xff, 0xff, 0xff, 0x7f).Raw(".")],
        ["a number of 255 bytes", Start.Raw(0x8a, 0xff).Raw(new byte[255]).Raw(".")],
        ["unknown memory", Start.Raw("h").Raw(9).Raw(".")],
        ["too few values", Start.Raw("t.")],
        ["too few values", Start.Raw(0x87).Raw(".")],
        ["too few values", Start.Raw("(.")],
        ["too few values", Start.Raw("N(").Raw(0x86).Raw(".")],
        ["too few values", Start.Raw(".")],
        ["no dictionary", Start.Raw("N.")],
        ["without arguments", Start.Global("collections", "OrderedDict").Raw("NR.")],
        ["a call", Start.Global("collections", "OrderedDict").Raw("(NtR.")],
        ["a name without an end", Start.Raw("c" + new string('a', 1000))],
        ["not a tensor", Start.Raw("}").Text(Name).Raw("Ns.")],
        ["not a text", Start.Raw("}K").Raw(1).Raw("Ns.")],
        ["two entries", Start.Raw("}(").Text(Name).Raw("N").Text(Name).Raw("Nu.")],
        ["something else than a dictionary", Start.Raw("N}").Text("a").Raw("Nsb.")],
        ["not to a storage", Start.Raw("NQ.")],
        ["sizes are not", Start.Storage(DataType.Float, [1]).Raw("}").Text(Name).View("FloatStorage", "0", 1, 0, [-1], [1]).Raw("s.")],
        ["in a storage of", Start.Storage(DataType.Float, [1]).Raw("}").Text(Name).View("FloatStorage", "0", 1, 0, [int.MaxValue, int.MaxValue], [int.MaxValue, 1]).Raw("s.")],
        ["in a storage of", Start.Storage(DataType.Float, [1]).Raw("}").Text(Name).View("FloatStorage", "0", int.MaxValue, 0, [int.MaxValue], [1]).Raw("s.")],
        ["in a storage of", Start.Storage(DataType.Float, [1, 2]).Raw("}").Text(Name).View("FloatStorage", "0", 2, 1, [2], [1]).Raw("s.")],
        ["rithmetic", Start.Storage(DataType.Float, [1]).Raw("}").Text(Name).View("FloatStorage", "0", 1, 0, [int.MaxValue, int.MaxValue, int.MaxValue], [0, 0, 1]).Raw("s.")],
        ["no entry", Start.Raw("}").Text(Name).View("FloatStorage", "../../etc/passwd", 1, 0, [1], [1]).Raw("s.")],
        ["strides", Start.Storage(DataType.Float, [1, 2, 3, 4]).Raw("}").Text(Name).View("FloatStorage", "0", 4, 0, [2, 2], [1, 2]).Raw("s.")],
        ["strides", Start.Storage(DataType.Float, [1]).Raw("}").Text(Name).View("FloatStorage", "0", 1, 0, [1 << 20, 128], [0, 0]).Raw("s.")],
        ["DoubleStorage", Start.Storage(DataType.Float, [1, 2]).Raw("}").Text(Name).View("DoubleStorage", "0", 1, 0, [1], [1]).Raw("s.")],
    ];

    [TestMethod]
    [DynamicData(nameof(Programs))]
    public void Program_ThatIsNoDictionaryOfTensors_IsRefused(string reason, object archive) => AssertRefused(reason, (TorchArchive)archive);

    /// <summary>Each step holds the one before twice: written out, 2^200 values.</summary>
    [TestMethod]
    public void MemoryThatDoubles_TakesNoMemoryAndIsRefused()
    {
        TorchArchive archive = Start.Raw("Nq").Raw(0);
        for (int step = 0; step < 200; step++)
        {
            archive.Raw("h").Raw((byte)step).Raw("h").Raw((byte)step).Raw(0x86).Raw("q").Raw((byte)(step + 1));
        }
        AssertRefused("no dictionary", archive.Raw("."));
    }

    /// <summary>Overlapping views of one storage, which together are far more than the file.</summary>
    [TestMethod]
    public void ViewsThatOverlap_AreRefused()
    {
        TorchArchive archive = Start.Storage(DataType.Float, new float[1000]).Raw("}(");
        for (int layer = 0; layer < 200; layer++)
        {
            archive.Text($"transformer.h.{layer}.attn.gating_factor").View("FloatStorage", "0", 1000, layer, [1, 800, 1, 1], [800, 1, 1, 1]);
        }
        AssertRefused("overlap", archive.Raw("u."));
    }

    [TestMethod]
    public void PackedArchive_IsRefusedBeforeItIsUnpacked() => AssertRefused("torch packs nothing", Sound.ToBytes(CompressionLevel.SmallestSize));

    [TestMethod]
    public void BigEndianArchive_IsRefused() => AssertRefused("big-endian", Sound.ToBytes(byteOrder: "big"));

    [TestMethod]
    public void ArchiveOfManyEntries_IsRefused()
    {
        using MemoryStream stream = new();
        using (ZipArchive zip = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            for (int i = 0; i < 5000; i++)
            {
                zip.CreateEntry($"{i}");
            }
        }
        AssertRefused("too many entries", stream.ToArray());
    }

    [TestMethod]
    public void ArchiveWithoutAPickle_IsRefused()
    {
        using MemoryStream stream = new();
        using (ZipArchive zip = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            zip.CreateEntry("something");
        }
        AssertRefused("no entry */data.pkl", stream.ToArray());
    }

    [TestMethod]
    public void OldFormat_IsRefusedWithTheWayOut() => AssertRefused("weights_only=True", [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.', 0x80, 0x02]);

    [TestMethod]
    public void EmptyFile_IsRefused() => AssertRefused("an empty file", []);

    [TestMethod]
    public void MissingFile_IsRefused() => Assert.Contains("no such file", Assert.ThrowsExactly<AdapterRefusedException>(() => ForeignCheckpoint.Read(Path.Combine(_root, "none.pth"), null)).Message);

    [TestMethod]
    public void FileThatEndsEarly_IsRefusedWhereverItEnds()
    {
        byte[] sound = Sound.ToBytes();
        for (int length = 0; length < sound.Length; length++)
        {
            AssertRefused("", sound[..length]);
        }
    }

    /// <summary>Any byte that is another one: the file is refused, or it is read (numbers, names of entries and dates may be any). Nothing else happens.</summary>
    [TestMethod]
    public void FileWithAChangedByte_IsReadOrRefused()
    {
        byte[] sound = Sound.ToBytes();
        int refused = 0;
        foreach (byte change in new byte[] { 0x01, 0x80, 0xff })
        {
            for (int place = 0; place < sound.Length; place++)
            {
                byte[] changed = [.. sound];
                changed[place] ^= change;
                try
                {
                    ForeignCheckpoint.Read(Write(changed), model: null);
                }
                catch (AdapterRefusedException)
                {
                    refused++;
                }
            }
        }
        Assert.IsGreaterThan(sound.Length, refused, "most changes are refused");
    }

    private static TorchArchive Sound => TorchArchive.Of(DataType.Bfloat16, (Name, [1, 8], [1, 2, 3, 4, 5, 6, 7, 8]), ("transformer.h.0.attn.gating_factor", [1, 2, 1, 1], [0.5f, 0.25f]));

    private void AssertRefused(string reason, TorchArchive archive) => AssertRefused(reason, archive.ToBytes());

    private void AssertRefused(string reason, byte[] file) => Assert.Contains(reason, Assert.ThrowsExactly<AdapterRefusedException>(() => ForeignCheckpoint.Read(Write(file), model: null)).Message);

    private string Write(byte[] content)
    {
        string file = Path.Combine(_root, "checkpoint.pth");
        File.WriteAllBytes(file, content);
        return file;
    }
}
