using Google.Protobuf;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters.Tests.Hostile;

/// <summary>Attacks through tensors and the sizes that operators claim of them: native kernels believe those.</summary>
[TestClass]
public sealed class WeightAttackTests
{
    [TestMethod]
    public void RawDataThatDoesNotFitTheShape_IsRefused() => AssertRefused("wrong length", "initializer 'short'", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "short", DataType = 1, Dims = { 1L << 30 }, RawData = ByteString.CopyFrom(new byte[8]) }));

    [TestMethod]
    public void NumbersInTheFieldOfAnotherType_AreRefused() => AssertRefused("wrong length", "initializer 'odd'", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "odd", DataType = (int)DataType.Int64, Dims = { 2 }, FloatData = { 1, 2, 3, 4 } }));

    [TestMethod]
    public void ANegativeDimension_IsRefused() => AssertRefused("negative dimension", "[-2,-4]", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "negative", DataType = 1, Dims = { -2, -4 }, RawData = ByteString.CopyFrom(new byte[32]) }));

    [TestMethod]
    public void AShapeThatOverflows_IsRefused() => AssertRefused("shape overflows", "initializer 'huge'", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "huge", DataType = 1, Dims = { 1L << 32, 1L << 32, 1L << 32 } }));

    [TestMethod]
    public void BytesThatOverflow_AreRefused() => AssertRefused("shape overflows", "initializer 'huge'", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "huge", DataType = (int)DataType.Complex128, Dims = { long.MaxValue / 16 } }));

    [TestMethod]
    [DataRow(0)]
    [DataRow(999)]
    [DataRow(-1)]
    public void AnUnknownElementType_IsRefused(int type) => AssertRefused("unknown element type", $"type {type}", proto => HostileModel.External(proto).DataType = type);

    [TestMethod]
    public void ExternalStrings_AreRefused() => AssertRefused("Strings cannot be external", "initializer '", proto => HostileModel.External(proto).DataType = (int)DataType.String);

    [TestMethod]
    public void FewerStringsThanTheShapeSays_AreRefused() => AssertRefused("wrong length", "1 strings", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "words", DataType = (int)DataType.String, Dims = { 3 }, StringData = { ByteString.CopyFromUtf8("one") } }));

    [TestMethod]
    public void ATensorInSegments_IsRefused() => AssertRefused("in segments", "initializer '", proto => HostileModel.External(proto).Segment = new TensorProto.Types.Segment { Begin = 0, End = 1L << 40 });

    [TestMethod]
    [DataRow("N", 1L << 40, "out of range", DisplayName = "N of 2^40")]
    [DataRow("N", 129L, "does not fit its tensors", DisplayName = "N that is not the tensor's")]
    [DataRow("K", long.MaxValue, "out of range", DisplayName = "K that overflows")]
    [DataRow("K", 64L, "does not fit its tensors", DisplayName = "K that is not the tensor's")]
    [DataRow("K", -128L, "out of range", DisplayName = "negative K")]
    [DataRow("bits", 3L, "does not fit its tensors", DisplayName = "3 bits")]
    [DataRow("bits", (1L << 32) + 4, "out of range", DisplayName = "bits whose lower half is 4")]
    [DataRow("bits", 0L, "out of range", DisplayName = "no bits")]
    [DataRow("block_size", 0L, "out of range", DisplayName = "blocks of nothing")]
    [DataRow("block_size", 17L, "does not fit its tensors", DisplayName = "blocks of 17")]
    [DataRow("block_size", 1L << 62, "out of range", DisplayName = "blocks of 2^62")]
    public void QuantisedWeightsThatDoNotFitTheirTensors_AreRefused(string attribute, long value, string reason) =>
        AssertRefused(reason, "MatMulNBits", proto => HostileModel.Attribute(proto.Graph.Node.Last(node => node.OpType == "MatMulNBits"), attribute).I = value);

    [TestMethod]
    public void QuantisedWeightsWhoseProductWrapsAround_AreRefused() => AssertRefused("does not fit its tensors", "MatMulNBits", proto =>
    {
        // N * K * bits does not fit 64 bits: multiplied unchecked it could come out as the size of the small tensor that is there.
        NodeProto node = HostileModel.First(proto, "MatMulNBits");
        HostileModel.Attribute(node, "N").I = int.MaxValue;
        HostileModel.Attribute(node, "K").I = int.MaxValue;
    });

    [TestMethod]
    public void ScalesOfAnotherSize_AreRefused() => AssertRefused("the scales", "MatMulNBits", proto =>
        Replace(proto, HostileModel.First(proto, "MatMulNBits").Input[2], new TensorProto { DataType = 1, Dims = { 1 }, RawData = ByteString.CopyFrom(new byte[4]) }));

    [TestMethod]
    [DataRow("num_heads", 0L)]
    [DataRow("num_heads", 1L << 40)]
    [DataRow("num_heads", -4L)]
    [DataRow("num_heads", 3L)]
    [DataRow("kv_num_heads", 0L)]
    [DataRow("kv_num_heads", -1L)]
    [DataRow("kv_num_heads", long.MinValue)]
    public void HeadsThatCannotBe_AreRefused(string attribute, long value) =>
        AssertRefused("cannot be patched", "", proto => HostileModel.Attribute(HostileModel.First(proto, "GroupQueryAttention"), attribute).I = value, "heads");

    [TestMethod]
    public void AWeightOfStrings_IsRefused() => AssertRefused("cannot be patched", "", proto =>
    {
        NodeProto product = HostileModel.First(proto, "MatMulNBits");
        long width = HostileModel.Attribute(product, "K").I;
        TensorProto words = new() { Name = "words", DataType = (int)DataType.String, Dims = { width, HostileModel.Attribute(product, "N").I } };
        words.StringData.AddRange(Enumerable.Repeat(ByteString.CopyFromUtf8("w"), (int)(words.Dims[0] * words.Dims[1])));
        proto.Graph.Initializer.Add(words);
        (product.OpType, product.Domain) = ("MatMul", "");
        product.Attribute.Clear();
        string source = product.Input[0];
        product.Input.Clear();
        product.Input.AddRange([source, "words"]);
    }, "String");

    private static void Replace(ModelProto proto, string name, TensorProto by)
    {
        proto.Graph.Initializer.Remove(proto.Graph.Initializer.First(tensor => tensor.Name == name));
        by.Name = name;
        proto.Graph.Initializer.Add(by);
    }

    private static void AssertRefused(string what, string culprit, Action<ModelProto> attack, string reason = "")
    {
        using HostileModel model = new(attack);
        model.AssertRefused(what, culprit);
        if (reason.Length > 0)
        {
            model.AssertRefused(reason, "");
        }
    }
}
