using Onnx;

namespace AlignerOnnx.Graph.Tests;

/// <summary>Edits keep producers and uses true.</summary>
[TestClass]
public sealed class OnnxGraphTests
{
    [TestMethod]
    public void ReplaceUses_LetsEveryReaderReadTheReplacement()
    {
        OnnxGraph graph = Model().Graph;
        Value x = graph.Find("x")!;
        Node inserted = graph.AddNode("Neg", Domains.Standard, "inserted", [x], ["inserted"]);
        OnnxGraph.ReplaceUses(x, inserted.Output, except: inserted);
        Assert.AreEqual(1, x.Uses.Count);
        Assert.AreSame(inserted, x.Uses[0].Node);
        Assert.AreEqual(2, inserted.Output.Uses.Count);
    }

    [TestMethod]
    public void Exchange_OfANodeAndWhatFollowsIt_KeepsNames()
    {
        OnnxModel model = Model();
        Value end = model.Graph.Nodes[0].Output;
        Node inserted = model.Graph.AddNode("Neg", Domains.Standard, "inserted", [end], ["sum"]);
        OnnxGraph.ReplaceUses(end, inserted.Output, except: inserted);
        OnnxGraph.Exchange(end, inserted.Output);
        Assert.AreSame(inserted, end.Producer);
        Assert.AreEqual("sum", model.Graph.Nodes[0].Output.Name);
        Assert.AreSame(model.Graph.Nodes[0].Output, inserted.Input(0));
        Assert.IsTrue(end.Uses.All(use => use.Node != inserted));
        ModelLoader.FromProto(model.ToProto());
    }

    [TestMethod]
    public void ToProto_OfANodeAddedLast_PutsItBeforeItsReaders()
    {
        OnnxModel model = Model();
        Value x = model.Graph.Find("x")!;
        Node inserted = model.Graph.AddNode("Neg", Domains.Standard, "inserted", [x], ["inserted"]);
        OnnxGraph.ReplaceUses(x, inserted.Output, except: inserted);
        CollectionAssert.AreEqual(new[] { "inserted", "first", "second" }, model.ToProto().Graph.Node.Select(node => node.Name).ToArray());
    }

    [TestMethod]
    public void RemoveNode_InUse_IsRefused()
    {
        OnnxGraph graph = Model().Graph;
        Assert.ThrowsExactly<InvalidOperationException>(() => graph.RemoveNode(graph.Nodes[0]));
    }

    [TestMethod]
    public void RemoveUnused_KeepsWhatTheOutputsNeed()
    {
        OnnxGraph graph = Model().Graph;
        graph.AddNode("Neg", Domains.Standard, "unused", [graph.Find("x")], ["unused"]);
        graph.RemoveUnused();
        CollectionAssert.AreEqual(new[] { "first", "second" }, graph.Nodes.Select(node => node.Name).ToArray());
        Assert.IsNull(graph.Find("unused"));
    }

    [TestMethod]
    public void ReplaceUses_InsideASubgraph_RenamesTheRead()
    {
        GraphProto branch = new() { Name = "then", Node = { new NodeProto { OpType = "Neg", Input = { "x" }, Output = { "inner" } } }, Output = { new ValueInfoProto { Name = "inner" } } };
        NodeProto choice = new() { OpType = "If", Name = "choice", Input = { "c" }, Output = { "y" } };
        choice.Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = branch });
        GraphProto proto = new() { Name = "g", Input = { new ValueInfoProto { Name = "x" }, new ValueInfoProto { Name = "c" } }, Node = { choice }, Output = { new ValueInfoProto { Name = "y" } } };
        OnnxModel model = ModelLoader.FromProto(new ModelProto { Graph = proto });
        Value x = model.Graph.Find("x")!;
        Node inserted = model.Graph.AddNode("Abs", Domains.Standard, "inserted", [x], ["inserted"]);
        OnnxGraph.ReplaceUses(x, inserted.Output, except: inserted);
        GraphProto saved = model.ToProto().Graph;
        Assert.AreEqual("inserted", saved.Node[0].Name);
        Assert.AreEqual("inserted", saved.Node[1].Attribute[0].G.Node[0].Input[0]);
    }

    private static OnnxModel Model()
    {
        GraphProto graph = new()
        {
            Name = "g",
            Input = { new ValueInfoProto { Name = "x" } },
            Node =
            {
                new NodeProto { Name = "first", OpType = "Abs", Input = { "x" }, Output = { "a" } },
                new NodeProto { Name = "second", OpType = "Add", Input = { "a", "x" }, Output = { "y" } },
            },
            Output = { new ValueInfoProto { Name = "y" } },
        };
        return ModelLoader.FromProto(new ModelProto { Graph = graph });
    }
}
