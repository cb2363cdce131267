using System.Buffers.Binary;
using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Adapters.Tests.Safetensors;

/// <summary>Reading and writing of safetensors, and every way in which a file is refused.</summary>
[TestClass]
public sealed class SafetensorsFileTests
{
    [TestMethod]
    public void Write_ThenParse_GivesTheSameNumbers()
    {
        using MemoryStream stream = new();
        SafetensorsFile.Write(stream, [SafetensorsTensor.Of("a", [1, 2, 3, 4, 5, 6], 2, 3), SafetensorsTensor.Of("b", [-0.5f], 1)]);
        IReadOnlyDictionary<string, SafetensorsTensor> read = SafetensorsFile.Parse(stream.ToArray(), "test");
        CollectionAssert.AreEqual(new float[] { 1, 2, 3, 4, 5, 6 }, read["a"].ToSingles());
        CollectionAssert.AreEqual(new[] { 2L, 3L }, read["a"].Shape.ToArray());
        CollectionAssert.AreEqual(new[] { -0.5f }, read["b"].ToSingles());
    }

    [TestMethod]
    public void Read_OfAFileOfTheReference_GivesItsTensors()
    {
        string file = Material.Shared("recipes", "smollm2-json", "aligner1-lr0.009.final.safetensors");
        IReadOnlyDictionary<string, SafetensorsTensor> read = SafetensorsFile.Read(file, 1 << 20);
        Assert.AreEqual(828, read.Values.Sum(tensor => tensor.ToSingles().Length));
    }

    [TestMethod]
    [DataRow("{}", 4, DisplayName = "data behind the last tensor")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, DisplayName = "more data than tensors")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, DisplayName = "region past the end")]
    [DataRow("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, DisplayName = "shape larger than its region")]
    [DataRow("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, DisplayName = "negative dimension")]
    [DataRow("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, DisplayName = "overflowing shape")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, DisplayName = "hole before the first tensor")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 6, DisplayName = "overlap")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, DisplayName = "hole")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, DisplayName = "region that ends before it starts")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""", 4, DisplayName = "negative offset")]
    [DataRow("""{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}""", 4, DisplayName = "unknown type")]
    [DataRow("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 4, DisplayName = "no type")]
    [DataRow("""{"a":{"dtype":"F32","data_offsets":[0,4]}}""", 4, DisplayName = "no shape")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1]}}""", 4, DisplayName = "no offsets")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, DisplayName = "three offsets")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, DisplayName = "fractional dimension")]
    [DataRow("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}""", 4, DisplayName = "one name twice")]
    [DataRow("""{"a":1}""", 0, DisplayName = "entry that is no object")]
    [DataRow("[]", 0, DisplayName = "header that is no object")]
    [DataRow("{", 0, DisplayName = "header that is cut off")]
    [DataRow("", 0, DisplayName = "empty header")]
    public void Parse_OfADamagedFile_IsRefused(string header, int dataBytes)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] file = new byte[8 + text.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        text.CopyTo(file, 8);
        Assert.ThrowsExactly<AdapterRefusedException>(() => SafetensorsFile.Parse(file, "test"));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(7)]
    [DataRow(8)]
    public void Parse_OfAHeaderLengthPastTheEnd_IsRefused(int bytes)
    {
        byte[] file = new byte[bytes];
        Array.Fill(file, (byte)0xFF);
        Assert.ThrowsExactly<AdapterRefusedException>(() => SafetensorsFile.Parse(file, "test"));
    }

    [TestMethod]
    public void Parse_OfEveryTruncation_IsRefused()
    {
        using MemoryStream stream = new();
        SafetensorsFile.Write(stream, [SafetensorsTensor.Of("tokens", [1, 2, 3, 4], 1, 4)]);
        byte[] whole = stream.ToArray();
        for (int length = 0; length < whole.Length; length++)
        {
            Assert.ThrowsExactly<AdapterRefusedException>(() => SafetensorsFile.Parse(whole.AsMemory(0, length), "test"), $"{length} of {whole.Length} bytes");
        }
    }
}
