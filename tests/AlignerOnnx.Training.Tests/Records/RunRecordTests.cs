using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Xml.Linq;
using AlignerOnnx.TestMaterial;
using BigGustave;

namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class RunRecordTests
{
    private static MetricsRow Row(int step, double loss, double? eval = null) => new() { Step = step, Steps = 4, Loss = loss, EvalLoss = eval, LearningRate = 0.02, Time = 1700000000.25 };

    private static string Write(string folder, int after, params MetricsRow[] rows)
    {
        string path = Path.Combine(folder, "metrics.jsonl");
        using MetricsFile file = MetricsFile.Open(path, after);
        foreach (MetricsRow row in rows)
        {
            file.Append(row);
        }
        return path;
    }

    [TestMethod]
    public void Open_ResumedRun_CutsWhatCameAfterItsCheckpoint()
    {
        string folder = Material.NewTemporaryFolder();
        string path = Write(folder, 0, Row(1, 3), Row(2, 2), Row(3, 9));
        File.AppendAllText(path, "{\"step\": 4, \"lo");
        Write(folder, 2, Row(3, 1.5, 1.75));
        CollectionAssert.AreEqual(new[] { 3, 2, 1.5 }, MetricsFile.Read(path).Select(row => row.Loss).ToArray());
        Assert.Contains("\"eval_loss\":1.75", File.ReadAllLines(path)[2]);
        Write(folder, 0);
        Assert.IsEmpty(MetricsFile.Read(path));
        Directory.Delete(folder, recursive: true);
    }

    [TestMethod]
    // RFC 3720, appendix B.4.
    [DataRow(0, 0x8A9136AAu)]
    [DataRow(1, 0x62A8AB43u)]
    [DataRow(2, 0x46DD794Eu)]
    [DataRow(3, 0x113FDB5Cu)]
    public void Crc32C_OfTheStandardsVectors_IsTheirs(int vector, uint expected)
    {
        byte[] content = [.. Enumerable.Range(0, 32).Select(i => vector switch { 0 => (byte)0, 1 => (byte)0xFF, 2 => (byte)i, _ => (byte)(31 - i) })];
        Assert.AreEqual(expected, TensorBoardFile.Crc32C(content));
    }

    [TestMethod]
    public void TensorBoard_File_StartsAsThoseOfTensorFlowDo()
    {
        using MemoryStream stream = new();
        TensorBoardFile.Write(stream, [Row(1, 3)]);
        byte[] file = stream.ToArray();
        // The first record of every event file: 24 bytes, their masked checksum as TensorFlow writes it, then time and version.
        CollectionAssert.AreEqual(new byte[] { 0x18, 0, 0, 0, 0, 0, 0, 0, 0xA3, 0x7F, 0x4B, 0x22, 0x09 }, file[..13]);
        Assert.AreEqual(1700000000.25, BinaryPrimitives.ReadDoubleLittleEndian(file.AsSpan(13)));
        Assert.AreEqual("\x1A\rbrain.Event:2", Encoding.ASCII.GetString(file, 21, 15));
    }

    [TestMethod]
    public void TensorBoard_Records_HoldEachMeasureOfEachStep()
    {
        using MemoryStream stream = new();
        TensorBoardFile.Write(stream, [Row(1, 3), Row(2, 2.5, 2.25)]);
        ReadOnlySpan<byte> rest = stream.ToArray();
        List<string> records = [];
        while (!rest.IsEmpty)
        {
            int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(rest);
            records.Add(Encoding.Latin1.GetString(rest.Slice(12, length)));
            rest = rest[(12 + length + 4)..];
        }
        Assert.HasCount(3, records);
        Assert.Contains("\u0010\u0002", records[2]);
        // A string of 9 bytes in field 1, then a float in field 2.
        Assert.Contains("\u000A\u0009eval/loss\u0015" + Encoding.Latin1.GetString(BitConverter.GetBytes(2.25f)), records[2]);
        Assert.DoesNotContain("eval/loss", records[1]);
    }

    [TestMethod]
    public void Dashes_OfABentLine_GoOnRoundTheCorner()
    {
        ((double, double), (double, double))[] pieces = [.. Dashes.Of([(0, 0), (5, 0), (5, 6)], [4, 2])];
        CollectionAssert.AreEqual(new[] { ((0d, 0d), (4d, 0d)), ((5, 1), (5, 5)) }, pieces);
        CollectionAssert.AreEqual(new[] { ((0d, 0d), (5d, 0d)), ((5, 0), (5, 6)) }, Dashes.Of([(0, 0), (5, 0), (5, 6)], []).ToArray());
    }

    [TestMethod]
    public void PixelFont_Letters_AreTheirShapes()
    {
        string[] rows = [.. Enumerable.Range(0, PixelFont.BaseLine).Select(row => string.Concat(Enumerable.Range(0, 11).Select(column => PixelFont.DotsOf("L7").Contains((column, row)) ? '#' : '.')))];
        CollectionAssert.AreEqual(new[] { "#.....#####", "#.........#", "#........#.", "#.......#..", "#......#...", "#......#...", "#####..#..." }, rows);
        CollectionAssert.AreEqual(PixelFont.DotsOf("?").ToArray(), PixelFont.DotsOf("é").ToArray());
    }

    /// <summary>The picture has the SVG's first line where that has its points, white where nothing is, and writing above the axes.</summary>
    private static void AssertPictureShows(Png picture, double[][] points)
    {
        Assert.AreEqual((2 * LineChart.Width, 2 * LineChart.Height), (picture.Width, picture.Height));
        foreach (double[] point in points)
        {
            Assert.AreEqual((0x00, 0x72, 0xB2), At(point[0], point[1]));
        }
        Assert.AreEqual((0xFF, 0xFF, 0xFF), At(points[0][0] + 5, points[0][1] - 5));
        Assert.AreEqual((0x33, 0x33, 0x33), At(70, 200));
        Assert.IsTrue(Enumerable.Range(140, 100).Any(x => picture.GetPixel(x, 36) is { R: 0, G: 0, B: 0 }));

        (int, int, int) At(double x, double y)
        {
            Pixel pixel = picture.GetPixel((int)(2 * x), (int)(2 * y));
            return (pixel.R, pixel.G, pixel.B);
        }
    }

    [TestMethod]
    public void Draw_Metrics_GivesACurveOfEachLossInsideItsAxes()
    {
        string folder = Material.NewTemporaryFolder();
        Write(folder, 0, Row(1, 3.1), Row(2, double.NaN), Row(3, 2.2, 2.4), Row(4, 1.9, 2.0));
        using (RunFolder run = RunFolder.Open(folder))
        {
            RunRecords.In(run).Draw("a <b> & c: loss");
        }
        XElement svg = XDocument.Load(Path.Combine(folder, "loss.svg")).Root!;
        XElement[] lines = [.. svg.Elements().Where(element => element.Name.LocalName == "polyline" && element.Attribute("stroke-width")!.Value == "1.8")];
        Assert.HasCount(2, lines);
        double[][] points = [.. lines[0].Attribute("points")!.Value.Split(' ').Select(point => point.Split(',').Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray())];
        Assert.HasCount(3, points);
        Assert.IsTrue(points.All(point => point[0] is >= 70 and <= 780 && point[1] is >= 45 and <= 400));
        Assert.IsTrue(points[0][1] < points[1][1] && points[1][1] < points[2][1], "a lower loss stands lower");
        Assert.AreEqual("a <b> & c: loss", svg.Elements().First(element => element.Name.LocalName == "text").Value);
        AssertPictureShows(Png.Open(Path.Combine(folder, "loss.png")), points);
        Assert.IsTrue(new FileInfo(Path.Combine(folder, "events.out.tfevents.aligner")).Length > 100);
        Directory.Delete(folder, recursive: true);
    }
}
