using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition.Decomposed;

/// <summary>A few operators over constants: the value that they give, y, partially evaluated. Lists stand as they are, <c>y = Add ({1, 2}, {3, 4})</c>; other constants are those of <see cref="Constants"/>.</summary>
internal static class Evaluated
{
    private const string Constants = """
        int64[2, 3] m = {1, 2, 3, 4, 5, 6}, int64[2, 2, 3] box = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, int64[2, 1] column = {10, 20}, int64[3, 3] square = {1, 2, 3, 4, 5, 6, 7, 8, 9},
        int64 zero = {0}, int64[0] no_axes = {}, int64 one = {1}, int64 two = {2}, int64 three = {3}, int64 ten = {10}, int64 less = {-1}, int64 lessThree = {-3}, int64 most = {4096}, int64 over = {4097},
        float[3] f = {-1.5, 0.25, 2.0}, float[3] p = {0.25, 2.0, 9.0}, float[2] z = {0.0, 1.0}, float[2, 2] fm = {1.5, -2.0, 0.5, 4.0}, float start = {0.0}, float end = {1.0}, float delta = {0.3},
        bool[3] t = {1, 0, 1}, bool[3] u = {1, 1, 0}, bool[3] none = {0, 0, 0}, int64[2, 2] at = {1, 2, 0, -1}, int64[2, 1] rows = {1, 0}, int64[2, 2] pairs = {1, 0, 0, -1}
        """;

    /// <summary>A graph that computes y; its output is y as float32.</summary>
    public static OnnxModel Model(string nodes, int opset = 21) => OnnxText.Load($$"""
        <ir_version: 10, opset_import: ["" : {{opset}}, "com.microsoft" : 1]>
        g (float[2, 3, 8] x) => (float[] result) <{{Constants}}> { {{nodes}} result = Cast <to = 1> (y) }
        """.WithLists());

    /// <summary>What is known of y.</summary>
    public static Known Of(OnnxModel model) => PartialEvaluation.Of(model)[model.Graph.Find("y")];

    /// <summary>What is known of y.</summary>
    public static Known Of(string nodes, int opset = 21) => Of(Model(nodes, opset));
}
