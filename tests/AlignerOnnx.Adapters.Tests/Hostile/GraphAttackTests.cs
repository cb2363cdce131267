using Google.Protobuf;
using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.Adapters.Tests.Hostile;

/// <summary>Attacks through the graph: names, order, subgraphs, functions, attributes.</summary>
[TestClass]
public sealed class GraphAttackTests
{
    [TestMethod]
    public void NodesInACycle_AreRefused() => AssertRefused("in a cycle", "'one'", proto =>
    {
        proto.Graph.Node.Add(new NodeProto { Name = "one", OpType = "Neg", Input = { "b" }, Output = { "a" } });
        proto.Graph.Node.Add(new NodeProto { Name = "two", OpType = "Neg", Input = { "a" }, Output = { "b" } });
    });

    [TestMethod]
    public void ANodeThatReadsItself_IsRefused() => AssertRefused("in a cycle", "'self'", proto =>
        proto.Graph.Node.Add(new NodeProto { Name = "self", OpType = "Neg", Input = { "a" }, Output = { "a" } }));

    [TestMethod]
    public void ASubgraphThatReadsItsOwnNode_IsRefused() => AssertRefused("in a cycle", "'loop'", proto =>
        proto.Graph.Node.Add(Choice("loop", new NodeProto { OpType = "Neg", Input = { "loop.result" }, Output = { "inner" } })));

    [TestMethod]
    public void ACycleInsideASubgraph_IsRefused() => AssertRefused("in a cycle", "'inside'", proto =>
        proto.Graph.Node.Add(Choice("choice", new NodeProto { Name = "inside", OpType = "Neg", Input = { "inner" }, Output = { "inner" } })));

    [TestMethod]
    public void ASubgraphThatReadsWhatNothingComputes_IsRefused() => AssertRefused("nothing computes", "'nowhere'", proto =>
        proto.Graph.Node.Add(Choice("choice", new NodeProto { OpType = "Neg", Input = { "nowhere" }, Output = { "inner" } })));

    [TestMethod]
    public void AnAbsentInput_IsRefused() => AssertRefused("nothing computes", "'nowhere'", proto => HostileModel.First(proto, "MatMulNBits").Input[0] = "nowhere");

    [TestMethod]
    public void AnAbsentOutput_IsRefused() => AssertRefused("nothing computes", "'nowhere'", proto => proto.Graph.Output[0].Name = "nowhere");

    [TestMethod]
    public void TwoNodesWithOneOutputName_AreRefused() => AssertRefused("Two values have the same name", "value '", proto => proto.Graph.Node.Add(proto.Graph.Node[3].Clone()));

    [TestMethod]
    public void ANodeThatComputesAnInput_IsRefused() => AssertRefused("Two values have the same name", "input_ids", proto =>
        proto.Graph.Node.Add(new NodeProto { OpType = "Neg", Input = { "attention_mask" }, Output = { "input_ids" } }));

    [TestMethod]
    public void TwoInputsWithOneName_AreRefused() => AssertRefused("Two graph inputs", "input_ids", proto => proto.Graph.Input.Add(proto.Graph.Input.First(input => input.Name == "input_ids").Clone()));

    [TestMethod]
    public void TwoInitializersWithOneName_AreRefused() => AssertRefused("Two initializers", "initializer '", proto => proto.Graph.Initializer.Add(proto.Graph.Initializer[0].Clone()));

    [TestMethod]
    public void TwoOutputsWithOneName_AreRefused() => AssertRefused("Two graph outputs", "logits", proto => proto.Graph.Output.Add(proto.Graph.Output.First(output => output.Name == "logits").Clone()));

    [TestMethod]
    public void AnInputWithoutAName_IsRefused() => AssertRefused("no name", "graph input", proto => proto.Graph.Input.Add(new ValueInfoProto()));

    [TestMethod]
    public void AnAttributeOfTheWrongKind_IsRefused() => AssertRefused("wrong kind", "num_heads", proto =>
    {
        AttributeProto heads = HostileModel.Attribute(HostileModel.First(proto, "GroupQueryAttention"), "num_heads");
        heads.Type = AttributeType.String;
        heads.S = ByteString.CopyFromUtf8("4");
    });

    [TestMethod]
    public void AGraphUnderTheNameOfAnInteger_IsRefused() => AssertRefused("wrong kind", "hidden", proto =>
        proto.Graph.Node[0].Attribute.Add(new AttributeProto { Name = "hidden", Type = AttributeType.Int, G = new GraphProto { Name = "g" } }));

    [TestMethod]
    public void AnAttributeTwice_IsRefused() => AssertRefused("attribute twice", "num_heads", proto =>
    {
        NodeProto attention = HostileModel.First(proto, "GroupQueryAttention");
        attention.Attribute.Add(HostileModel.Attribute(attention, "num_heads").Clone());
    });

    [TestMethod]
    public void AReferenceToAFunctionsAttributeOutsideOfOne_IsRefused() => AssertRefused("outside of a function", "num_heads", proto =>
        HostileModel.Attribute(HostileModel.First(proto, "GroupQueryAttention"), "num_heads").RefAttrName = "any");

    [TestMethod]
    public void ANodeWithoutAnOperator_IsRefused() => AssertRefused("no operator", "node '", proto => proto.Graph.Node.Add(new NodeProto { Output = { "y" } }));

    [TestMethod]
    public void AFunctionThatCallsItself_IsRefused() => AssertRefused("without end", "again", proto =>
        proto.Functions.Add(new FunctionProto { Name = "again", Domain = "f", Node = { new NodeProto { OpType = "again", Domain = "f" } } }));

    [TestMethod]
    public void FunctionsThatCallEachOther_AreRefused() => AssertRefused("without end", "ping -> pong -> ping", proto =>
    {
        proto.Functions.Add(new FunctionProto { Name = "ping", Domain = "f", Node = { new NodeProto { OpType = "pong", Domain = "f" } } });
        proto.Functions.Add(new FunctionProto { Name = "pong", Domain = "f", Node = { new NodeProto { OpType = "ping", Domain = "f" } } });
    });

    [TestMethod]
    public void FunctionsThatDouble40Times_AreRefused() => AssertRefused("too many nodes", "1000000", proto =>
    {
        for (int i = 0; i < 40; i++)
        {
            NodeProto call = new() { OpType = i == 0 ? "Neg" : $"double{i - 1}", Domain = i == 0 ? "" : "f" };
            proto.Functions.Add(new FunctionProto { Name = $"double{i}", Domain = "f", Node = { call, call.Clone() } });
        }
        proto.Graph.Node.Add(new NodeProto { OpType = "double39", Domain = "f", Output = { "laugh" } });
    });

    [TestMethod]
    public void TwoFunctionsWithOneName_AreRefused() => AssertRefused("Two functions", "'twin'", proto =>
    {
        proto.Functions.Add(new FunctionProto { Name = "twin", Domain = "f" });
        proto.Functions.Add(new FunctionProto { Name = "twin", Domain = "f" });
    });

    [TestMethod]
    public void SparseInitializers_AreRefused() => AssertRefused("sparse initializers", "graph '", proto => proto.Graph.SparseInitializer.Add(new SparseTensorProto()));

    [TestMethod]
    public void AnUnknownOperatorSet_IsRefused() => AssertRefused("operator set is not known", "999", proto => proto.OpsetImport[0].Version = 999);

    [TestMethod]
    public void AnUnknownIrVersion_IsRefused() => AssertRefused("IR version is not known", "999", proto => proto.IrVersion = 999);

    [TestMethod]
    public void NoOperatorSets_AreRefused() => AssertRefused("imports no operators", "opset_import", proto => proto.OpsetImport.Clear());

    [TestMethod]
    public void TwoVersionsOfOneDomain_AreRefused() => AssertRefused("two versions of one domain", "domain ''", proto => proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "ai.onnx", Version = 7 }));

    [TestMethod]
    public void MetadataTwice_IsRefused() => AssertRefused("metadata has an entry twice", "'who'", proto =>
        proto.MetadataProps.AddRange([new StringStringEntryProto { Key = "who", Value = "a" }, new StringStringEntryProto { Key = "who", Value = "b" }]));

    [TestMethod]
    public void OurOwnNamesInTheModel_AreRefused() => AssertRefused("patched already", "aligner.constant.1", proto =>
        proto.Graph.Initializer.Add(new TensorProto { Name = "aligner.constant.1", DataType = 7, Dims = { 1 }, RawData = ByteString.CopyFrom(new byte[8]) }));

    private static NodeProto Choice(string name, NodeProto inside)
    {
        GraphProto branch = new() { Name = "branch", Node = { inside }, Output = { new ValueInfoProto { Name = "inner" } } };
        return new NodeProto
        {
            Name = name, OpType = "If", Input = { "attention_mask" }, Output = { $"{name}.result" },
            Attribute = { new AttributeProto { Name = "then_branch", Type = AttributeType.Graph, G = branch } },
        };
    }

    private static void AssertRefused(string what, string culprit, Action<ModelProto> attack)
    {
        using HostileModel model = new(attack);
        model.AssertRefused(what, culprit);
    }
}
