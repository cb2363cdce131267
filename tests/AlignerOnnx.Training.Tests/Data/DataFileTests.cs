using System.IO.Compression;
using System.Text;
using AlignerOnnx.Graph;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.Training.Tests;

/// <summary>Formats and damage. The Parquet files in Fixtures were written by DuckDB 1.5.6, one for each of its usual compressions.</summary>
[TestClass]
public sealed class DataFileTests
{
    private static string Fixture(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "Fixtures", name);

    private static string Turns(DataRow row) => string.Join('|', ((ConversationRow)row).Turns.Select(turn => $"{turn.Role}:{turn.Content}"));

    private static DataRefusedException Refusal(byte[] content)
    {
        using TemporaryFile file = new(content);
        return Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file.Path));
    }

    private static byte[] Gzip(Action<Stream> write)
    {
        using MemoryStream packed = new();
        using (GZipStream stream = new(packed, CompressionLevel.Fastest))
        {
            write(stream);
        }
        return packed.ToArray();
    }

    [TestMethod]
    public void Read_ParquetOfNestedMessages_IsTheJsonLinesItWasMadeFrom()
    {
        IReadOnlyList<DataRow> rows = ConversationDataSet.Read(Fixture("chat.parquet")).Rows;
        Assert.HasCount(2, rows);
        Assert.AreEqual("user:hi|assistant:yo", Turns(rows[0]));
        Assert.AreEqual("system:Be \"short\" – é|user:a|assistant:b|user:c|assistant:d", Turns(rows[1]));
        Assert.AreEqual("row 2", rows[1].Place);
    }

    [TestMethod]
    public void Read_ParquetOfAlpacaRows_KeepsEmptyAndAbsentFields()
    {
        IReadOnlyList<DataRow> rows = ConversationDataSet.Read(Fixture("alpaca.parquet")).Rows;
        Assert.AreEqual("user:Name a fruit|assistant:Apple", Turns(rows[0]));
        Assert.AreEqual("user:Double it\n4|assistant:8", Turns(rows[1]));
        Assert.AreEqual("the answer is empty", ((UnusableRow)rows[2]).Reason);
    }

    [TestMethod]
    public void Read_ParquetOfTokenLists_AreTokenRows()
    {
        TokenRow row = (TokenRow)ConversationDataSet.Read(Fixture("ids.parquet")).Rows[0];
        CollectionAssert.AreEqual(new[] { 1, 2, 3 }, row.InputIds);
        CollectionAssert.AreEqual(new[] { -100, 2, 3 }, row.Labels);
    }

    [TestMethod]
    public void Read_Gzip_IsUnpacked()
    {
        using TemporaryFile file = new(Gzip(stream => stream.Write("{\"text\": \"a\"}\n{\"text\": \"b\"}\n"u8)));
        Assert.HasCount(2, ConversationDataSet.Read(file.Path).Rows);
    }

    [TestMethod]
    public void Read_GzipBomb_IsRefusedWithoutItsMemory()
    {
        byte[] zeros = new byte[1 << 20];
        byte[] bomb = Gzip(stream =>
        {
            for (int i = 0; i < 1100; i++)
            {
                stream.Write(zeros);
            }
        });
        long before = GC.GetTotalAllocatedBytes();
        Assert.Contains("too large", Refusal(bomb).What);
        Assert.IsLessThan(64L << 20, GC.GetTotalAllocatedBytes() - before);
    }

    [TestMethod]
    public void Read_CutGzip_IsRefused() => Assert.Contains("gzip file is damaged", Refusal(Gzip(stream => stream.Write(Encoding.UTF8.GetBytes(new string('x', 5000))))[..^12]).What);

    [TestMethod]
    [DataRow(new byte[] { (byte)'{', 0xFF, 0xFE }, "line 1")]
    [DataRow(new byte[] { (byte)'\n', (byte)'\n', 0xC3, 0x28 }, "line 3")]
    public void Read_InvalidUtf8_IsRefusedWithItsLine(byte[] content, string line)
    {
        DataRefusedException refusal = Refusal(content);
        Assert.Contains("not UTF-8", refusal.What);
        Assert.EndsWith(line, refusal.Where!);
    }

    [TestMethod]
    public void Read_LineLongerThanAnyRow_IsRefused() =>
        Assert.Contains("too long", Refusal(Encoding.UTF8.GetBytes($"{{\"text\": \"{new string('a', JsonRows.MaximumLine)}\"}}")).What);

    [TestMethod]
    [DataRow("chat.parquet")]
    [DataRow("alpaca.parquet")]
    [DataRow("ids.parquet")]
    public void Read_DamagedParquet_IsReadOrRefused(string name)
    {
        byte[] whole = File.ReadAllBytes(Fixture(name));
        int refused = 0;
        for (int cut = 4; cut < whole.Length; cut += 7)
        {
            Assert.Contains("Parquet", Refusal(whole[..cut]).What);
        }
        for (int at = 4; at < whole.Length; at++)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= (byte)(1 << (at % 8));
            using TemporaryFile file = new(damaged);
            try
            {
                ConversationDataSet.Read(file.Path);
            }
            catch (DataRefusedException)
            {
                refused++;
            }
        }
        Assert.IsGreaterThan(whole.Length / 4, refused);
    }

    [TestMethod]
    [DataRow("lf_alpaca_en_demo.json", 999, "alpaca")]
    [DataRow("lf_identity.json", 91, "alpaca")]
    [DataRow("dolly_3k.json", 2996, "alpaca")]
    [DataRow("gsm8k_train.jsonl", 7473, "question-answer")]
    [DataRow("gsm8k_test.jsonl", 1319, "question-answer")]
    [DataRow("metamath_gsm8k_backward.jsonl", 1270, "question-answer")]
    [DataRow("noncommercial/*", 9229, "alpaca")]
    [DataRow("lf_kto_en_demo.json", 300, "messages")]
    public void Read_RealDataSets_HaveTheirRows(string name, int count, string shape)
    {
        string folder = Material.Shared("data");
        string path = name.EndsWith('*') ? Directory.GetFiles(Path.Combine(folder, Path.GetDirectoryName(name)!), "*.json*").Single() : Path.Combine(folder, name);
        IReadOnlyList<DataRow> rows = ConversationDataSet.Read(path).Rows;
        Assert.HasCount(count, rows);
        Assert.IsTrue(rows.All(row => row.Shape == shape));
    }

    [TestMethod]
    [DataRow("hh_rlhf_harmless_test.jsonl.gz")]
    [DataRow("lf_dpo_en_demo.json")]
    public void Read_PreferenceData_IsRefusedWithTheWayToTrainIt(string name)
    {
        string file = Material.Shared("data", name);
        Assert.Contains("train dpo", Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file)).Remedy!);
    }

    [TestMethod]
    [DataRow("mt_bench_80.jsonl")]
    [DataRow("tinyshakespeare.txt")]
    public void Read_NoTrainingData_IsRefused(string name)
    {
        string file = Material.Shared("data", name);
        Assert.ThrowsExactly<DataRefusedException>(() => ConversationDataSet.Read(file));
    }
}
