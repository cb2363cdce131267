using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.TestMaterial;

namespace AlignerOnnx.GraphRewrites.Tests.Lowering;

/// <summary>The operator of ai.onnx, as ONNX Runtime computes it, against what it becomes: 2 rows of 3 places, 2 heads of 8.</summary>
[TestClass]
public sealed class RotaryLoweringTests
{
    private const int Rows = 2;
    private const int Length = 3;

    [TestMethod]
    [DataRow("", new long[] { Rows, 2, Length, 8 }, 4)]
    [DataRow("<rotary_embedding_dim = 4>", new long[] { Rows, 2, Length, 8 }, 2)]
    [DataRow("<interleaved = 1, num_heads = 2>", new long[] { Rows, Length, 16 }, 4)]
    [DataRow("<num_heads = 2, rotary_embedding_dim = 4>", new long[] { Rows, Length, 16 }, 2)]
    public void Apply_AnglesOfOneRow_AreThoseOfEveryRow(string attributes, long[] shape, int half)
    {
        OnnxModel Of(int rows) => Load($"y = RotaryEmbedding {attributes} (x, c, s)", shape, $"float[{rows}, {Length}, {half}] c, float[{rows}, {Length}, {half}] s");
        float[] cosines = Numbers(Length * half, Math.Cos), sines = Numbers(Length * half, Math.Sin);
        OnnxModel lowered = Of(1);
        RotaryLowering.Apply(lowered.Graph, lowered.Graph.Find("ids")!);
        AssertSame(
            Run(Of(Rows), shape, ("c", Twice(cosines), [Rows, Length, half]), ("s", Twice(sines), [Rows, Length, half])),
            Run(lowered, shape, ("c", cosines, [1, Length, half]), ("s", sines, [1, Length, half])));
        Assert.IsFalse(lowered.Graph.Nodes.Any(node => node.Is("RotaryEmbedding")));
    }

    [TestMethod]
    public void Apply_CachesWithPositions_StayWhatTheyAre()
    {
        OnnxModel Of() => Load("y = RotaryEmbedding (x, c, s, p)", [Rows, 2, Length, 8], $"float[9, 4] c, float[9, 4] s, int64[{Rows}, {Length}] p");
        (string, Array, long[])[] inputs = [("c", Numbers(36, Math.Cos), [9, 4]), ("s", Numbers(36, Math.Sin), [9, 4]), ("p", new long[] { 0, 1, 2, 5, 8, 3 }, [Rows, Length])];
        OnnxModel lowered = Of();
        RotaryLowering.Apply(lowered.Graph, lowered.Graph.Find("ids")!);
        AssertSame(Run(Of(), [Rows, 2, Length, 8], inputs), Run(lowered, [Rows, 2, Length, 8], inputs));
        Assert.IsTrue(lowered.Graph.Nodes.Any(node => node.Is("RotaryEmbedding", Domains.Microsoft)));
    }

    private static OnnxModel Load(string node, long[] shape, string inputs) => OnnxText.Load(
        $$"""<ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]> g (int64[{{Rows}}, {{Length}}] ids, float[{{string.Join(", ", shape)}}] x, {{inputs}}) => (float[{{string.Join(", ", shape)}}] y, int64[2] z) { {{node}} z = Shape (ids) }""");

    private static float[] Run(OnnxModel model, long[] shape, params (string Name, Array Data, long[] Shape)[] inputs)
    {
        model.Graph.RemoveOutput(model.Graph.Find("z")!);
        using GraphRunner runner = new(model);
        long size = shape.Aggregate((a, b) => a * b);
        return runner.RunFirst([("ids", new long[Rows * Length], [Rows, Length]), ("x", Numbers((int)size, angle => Math.Sin(3 * angle)), shape), .. inputs]).Data;
    }

    private static float[] Numbers(int count, Func<double, double> of) => [.. Enumerable.Range(0, count).Select(i => (float)of(0.3 * i))];

    private static float[] Twice(float[] row) => [.. row, .. row];

    private static void AssertSame(float[] expected, float[] actual) => Closeness.AssertClose(expected, actual, 1e-6, "rotated");

    [TestMethod]
    public void APartOfHeadsThatAreNotCounted_StaysAsItIs_WithTheAnglesOfEveryRow() => RuleTest.Rewrites("""
        <ir_version: 10, opset_import: ["" : 23]>
        heads (int64[b, s] input_ids, float[b, h, s, 4] x, float[1, s, 1] cos, float[1, s, 1] sin) => (float[b, h, s, 4] y) { y = RotaryEmbedding <rotary_embedding_dim = 2> (x, cos, sin) }
        """, model => RotaryLowering.Apply(model.Graph, model.Graph.Find("input_ids")!), """
        <ir_version: 10, opset_import: ["" : 23]>
        heads (int64[b, s] input_ids, float[b, h, s, 4] x, float[1, s, 1] cos, float[1, s, 1] sin) => (float[b, h, s, 4] y) <int64[2] ones = {1, 1}>
        {
            batch = Shape <start = 0, end = 1> (input_ids)
            rows = Concat <axis = 0> (batch, ones)
            cosines = Expand (cos, rows)
            sines = Expand (sin, rows)
            y = RotaryEmbedding <rotary_embedding_dim = 2> (x, cosines, sines)
        }
        """);
}
