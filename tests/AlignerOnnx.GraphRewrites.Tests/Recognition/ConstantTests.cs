using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Tests.Recognition;

/// <summary>Which values a graph fixes, how many dimensions values have, and which constant matrices products multiply with.</summary>
[TestClass]
public sealed class ConstantTests
{
    [TestMethod]
    [DataRow("y = Identity (c)", "1,2", DisplayName = "an initializer")]
    [DataRow("y = Constant <value = float[2] v = {1.0, 2.0}> ()", "1,2")]
    [DataRow("y = Constant <value_float = 1.5> ()", "1.5")]
    [DataRow("y = Identity (overridable)", null, DisplayName = "an initializer that callers may override")]
    [DataRow("y = Identity (x)", null, DisplayName = "an input")]
    [DataRow("y = Neg (c)", null, DisplayName = "what is computed of constants")]
    [DataRow("y = com.microsoft.Constant <value = float[2] v = {1.0, 2.0}> ()", null, DisplayName = "a Constant of another domain")]
    [DataRow("y = com.microsoft.Identity (c)", null, DisplayName = "an Identity of another domain")]
    [DataRow("y = Constant <value_string = \"a\"> ()", null, DisplayName = "a string")]
    public void FixedValues_AreInitializersAndConstants(string node, string? expected)
    {
        Tensor? found = Constants.Of(Y(node));
        Assert.AreEqual(expected, found is null ? null : string.Join(',', found.ReadSingles()));
    }

    /// <summary>No exporter puts more than a few Identities behind each other; a file that does is not followed for ever.</summary>
    [TestMethod]
    [DataRow(7, true)]
    [DataRow(8, false)]
    public void FixedValues_MayStandBehindIdentities(int identities, bool isFixed)
    {
        string chain = string.Concat(Enumerable.Range(0, identities - 1).Select(i => $"i{i + 1} = Identity ({(i == 0 ? "c" : $"i{i}")}) "));
        Assert.AreEqual(isFixed, Constants.Of(Y($"{chain} y = Identity (i{identities - 1})")) is not null);
    }

    [TestMethod]
    [DataRow("float[3] v = {1, 2, 3}", true)]
    [DataRow("float[1, 3] v = {1, 2, 3}", true)]
    [DataRow("float[3, 1] v = {1, 2, 3}", false)]
    [DataRow("float[2, 3] v = {1, 2, 3, 4, 5, 6}", false)]
    [DataRow("float[4] v = {1, 2, 3, 4}", false)]
    public void Vectors_StandAlongTheLastDimension(string constant, bool isVector) => Assert.AreEqual(isVector, Constants.Vector(Y($"y = Constant <value = {constant}> ()"), 3) is not null);

    [TestMethod]
    public void ANumberWithoutDimensions_IsNoVector() => Assert.IsNull(Constants.Vector(Y("y = Constant <value_float = 1.5> ()"), 1));

    [TestMethod]
    [DataRow("y = Constant <value_int = 4> ()", "4")]
    [DataRow("y = Constant <value_ints = [4, 5]> ()", "4,5")]
    [DataRow("y = Constant <value = int32[2] v = {4, 5}> ()", "4,5")]
    [DataRow("y = Constant <value = float[2] v = {4, 5}> ()", null)]
    [DataRow("y = Constant <value = int8[2] v = {4, 5}> ()", null)]
    public void Integers_AreOf32Or64Bits(string node, string? expected) => Assert.AreEqual(expected, Constants.Integers(Y(node)) is { } found ? string.Join(',', found) : null);

    [TestMethod]
    [DataRow(1024, true)]
    [DataRow(1025, false)]
    public void Integers_AreFew(int count, bool areRead) => Assert.AreEqual(areRead, Constants.Integers(Y($"y = Constant <value_ints = [{string.Join(", ", Enumerable.Repeat(1, count))}]> ()")) is not null);

    [TestMethod]
    [DataRow("y = Constant <value_float = 1.5> ()", 1.5f)]
    // 1.5 as the bits of both 16-bit types.
    [DataRow("y = Constant <value = float16[1] v = {15872}> ()", 1.5f)]
    [DataRow("y = Constant <value = bfloat16[1] v = {16320}> ()", 1.5f)]
    [DataRow("y = Constant <value_int = 1> ()", null)]
    [DataRow("y = Identity (c)", null)]
    public void Number_IsOneOfFloatingPoint(string node, float? expected) => Assert.AreEqual(expected, Constants.Number(Y(node)));

    /// <summary>Loading looks at initializers, not at tensors inside nodes: a file may claim any size of them.</summary>
    [TestMethod]
    [DataRow(true, 0L)]
    [DataRow(true, (long)int.MaxValue)]
    [DataRow(true, 65536L, 32767L)]
    [DataRow(false, -1L)]
    [DataRow(false, int.MaxValue + 1L)]
    [DataRow(false, 65536L, 65536L)]
    [DataRow(false, (long)int.MaxValue, 2L)]
    [DataRow(false, 1L << 30, 1L << 30, 1L << 30, 1L << 30, 1L << 30)]
    public void SizesThatCannotBeComputedWith_MakeAConstantNone(bool isOne, params long[] sizes)
    {
        Value y = Y("y = Constant <value = float[2] v = {1.0, 2.0}> ()");
        TensorProto claimed = new() { DataType = (int)TensorProto.Types.DataType.Float };
        claimed.Dims.AddRange(sizes);
        y.Producer!.Attributes.Set(NodeAttributes.Of("value", claimed));
        Assert.AreEqual(isOne, Constants.Of(y) is not null);
    }

    [TestMethod]
    [DataRow("y = Identity (matrix)", 2)]
    [DataRow("y = Identity (x)", 1)]
    [DataRow("y = Identity (open)", null)]
    [DataRow("y = Reshape (open, {0, 0, 4})", 3)]
    [DataRow("d = Constant <value_ints = [2, 4]> () y = Reshape (open, j) j = Concat <axis = 0> (d, size, d)", 5)]
    [DataRow("sizes = Shape (matrix) y = Reshape (open, sizes)", 2)]
    [DataRow("sizes = Shape <start = 1> (matrix) y = Reshape (open, sizes)", null)]
    [DataRow("y = Reshape (open, size)", null)]
    [DataRow("y = Transpose <perm = [0, 2, 1, 3]> (open)", 4)]
    [DataRow("y = Transpose (matrix)", 2)]
    [DataRow("y = Gemm (open, matrix)", 2)]
    [DataRow("y = com.microsoft.GroupQueryAttention (open)", 3)]
    [DataRow("y = com.microsoft.MultiHeadAttention (open)", 3)]
    [DataRow("y = com.microsoft.PagedAttention (open)", 2)]
    [DataRow("y = Gather (matrix, ids)", 4)]
    [DataRow("y = Gather (open, ids)", null)]
    [DataRow("y = Gather (matrix, open)", null)]
    [DataRow("n = Transpose <perm = [0, 2, 1]> (open) y = Add (c, n)", 3)]
    [DataRow("n = Transpose <perm = [0, 2, 1]> (open) y = Mul (n, c)", 3)]
    [DataRow("y = Sigmoid (matrix)", 2)]
    [DataRow("y = RandomNormal <shape = [2]> ()", null)]
    public void Ranks_FollowFromTheOperators(string nodes, int? expected) => Assert.AreEqual(expected, Ranks.Of(Y(nodes)));

    /// <summary>y = x W is multiplied by a matrix of 8 rows and 4 columns, however it is stored.</summary>
    [TestMethod]
    [DataRow("y = Identity (w)", "Float", "Float")]
    [DataRow("y = Transpose (wt)", "Float", "Float")]
    [DataRow("y = Transpose <perm = [1, 0]> (wt)", "Float", "Float")]
    [DataRow("y = Transpose <perm = [0, 2, 1]> (wt3)", "Float", "Float")]
    [DataRow("t = Transpose (w) y = Transpose (t)", "Float", "Float")]
    [DataRow("y = Identity (w3)", "Float", "Float")]
    [DataRow("y = Cast <to = 10> (w)", "Float", "Float16")]
    [DataRow("wide = Cast <to = 1> (w) y = Cast <to = 10> (wide)", "Float", "Float16")]
    [DataRow("y = DequantizeLinear (w8, s)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = 1> (w8, s4, z4)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = -1> (w8, s4)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = 0> (w8, s8)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = -2> (w8, s8)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = 0, block_size = 4> (w8, s24)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <axis = 0, block_size = 5> (w8, s24)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear <output_dtype = 10> (w8, s)", "Int8 with scales", "Float16")]
    [DataRow("d = DequantizeLinear (w8, s) y = Cast <to = 16> (d)", "Int8 with scales", "Bfloat16")]
    [DataRow("t = DequantizeLinear (w8t, s) y = Transpose (t)", "Int8 with scales", "Float")]
    [DataRow("y = DequantizeLinear (w8, sh)", "Int8 with scales", "Float16")]
    [DataRow("y = DequantizeLinear (u4, s)", "Uint4 with scales", "Float")]
    public void FrozenMatrices_AreReadThroughHowTheyAreStored(string nodes, string kind, string type)
    {
        Match<FrozenMatrix> matrix = FrozenMatrices.Of(Y(nodes));
        Assert.IsNull(matrix.Reason);
        Assert.AreEqual((8L, 4L, kind, type), (matrix.Found!.InputSize, matrix.Found.OutputSize, matrix.Found.Kind, matrix.Found.ElementType.ToString()));
    }

    [TestMethod]
    [DataRow("y = Identity (x)", "the weight is not a constant")]
    [DataRow("y = Identity (c)", "the weight of shape [2] is no matrix")]
    [DataRow("y = Identity (empty)", "the weight of shape [0,4] is no matrix")]
    [DataRow("y = Identity (stack)", "the weight of shape [2,8,4] is no matrix")]
    [DataRow("y = Transpose <perm = [0, 1]> (w)", "the weight is not a constant")]
    [DataRow("y = Transpose (w3)", "the weight is not a constant")]
    [DataRow("y = Identity (w8)", "the weight is of Int8")]
    [DataRow("y = DequantizeLinear (x, s)", "the quantised weight and its scales are not constants")]
    [DataRow("y = DequantizeLinear (w8, x)", "the quantised weight and its scales are not constants")]
    [DataRow("y = DequantizeLinear (w8, s, x)", "the zero points are not constants")]
    [DataRow("y = DequantizeLinear (c8, s)", "the quantised weight of shape [4] is no matrix")]
    [DataRow("y = DequantizeLinear (e8, s)", "the quantised weight of shape [0,4] is no matrix")]
    [DataRow("y = DequantizeLinear (w, s)", "the quantised weight is of Float")]
    [DataRow("y = DequantizeLinear (w8, z4)", "the scales are of Int8")]
    [DataRow("y = DequantizeLinear (w8, s4, u4)", "the zero points do not match the scales")]
    [DataRow("y = DequantizeLinear (w8, s, z4)", "the zero points do not match the scales")]
    [DataRow("y = DequantizeLinear <axis = 2> (w8, s4)", "axis 2 or block size 0 is out of range")]
    [DataRow("y = DequantizeLinear <axis = -3> (w8, s4)", "axis -1 or block size 0 is out of range")]
    [DataRow("y = DequantizeLinear <block_size = -1> (w8, s4)", "axis 1 or block size -1 is out of range")]
    [DataRow("y = DequantizeLinear (w8, s8)", "8 scales do not fit a matrix of 8 x 4")]
    [DataRow("y = DequantizeLinear <axis = 0> (w8, s4)", "4 scales do not fit a matrix of 8 x 4")]
    [DataRow("y = DequantizeLinear <axis = 0, block_size = 2> (w8, s24)", "8 scales do not fit a matrix of 8 x 4")]
    [DataRow("y = DequantizeLinear <axis = 0, block_size = 4> (w8, s)", "1 scales do not fit a matrix of 8 x 4")]
    public void FrozenMatrices_ThatCannotBeReadBack_SayWhy(string nodes, string reason) => Assert.AreEqual(reason, FrozenMatrices.Of(Y(nodes)).Reason);

    private static Value Y(string nodes) => OnnxText.Load($$"""
        <ir_version: 10, opset_import: ["" : 23, "com.microsoft" : 1]>
        g (float[2] x, float[2] overridable, float[] open, int64[1] size, int64[2, 3, 5] ids) => (float[] out)
            <float[2] c = {1, 2}, float[2] overridable = {1, 2}, float[8, 4] matrix = ["location": "m"], float[8, 4] w = ["location": "w"], float[4, 8] wt = ["location": "wt"], float[1, 8, 4] w3 = ["location": "w3"],
             float[1, 4, 8] wt3 = ["location": "wt3"], float[0, 4] empty = {}, float[2, 8, 4] stack = ["location": "st"], int8[8, 4] w8 = ["location": "w8"], int8[4, 8] w8t = ["location": "w8t"], uint4[8, 4] u4 = ["location": "u4"],
             int8[4] c8 = {1, 1, 1, 1}, int8[0, 4] e8 = {}, float s = {1}, float16 sh = {1}, float[4] s4 = {1, 1, 1, 1}, float[8] s8 = {1, 1, 1, 1, 1, 1, 1, 1}, float[2, 4] s24 = {1, 1, 1, 1, 1, 1, 1, 1}, int8[4] z4 = {0, 0, 0, 0}>
        { {{nodes}} out = Identity (y) }
        """.WithLists()).Graph.Find("y")!;
}
