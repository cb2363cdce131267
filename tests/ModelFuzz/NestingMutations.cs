using Onnx;
using static Onnx.AttributeProto.Types;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Puts graphs into attributes: branches that hold part of the model, deep nests, and functions.</summary>
internal static class NestingMutations
{
    // Protobuf refuses to read more than 100 messages inside each other.
    private const int Deepest = 40;

    public static void Change(Picker pick)
    {
        GraphProto graph = pick.Graph;
        if (pick.Node() is not { } node)
        {
            return;
        }
        switch (pick.Next(4))
        {
            case 0:
                MoveIntoBranch(graph, node, pick);
                break;
            case 1:
                GraphProto inner = new() { Name = "inner", Node = { node.Clone() } };
                inner.Output.Add(new ValueInfoProto { Name = pick.Name() });
                for (int depth = pick.Next(Deepest); depth > 0; depth--)
                {
                    inner = new GraphProto { Name = "nest", Node = { new NodeProto { OpType = "If", Attribute = { Branch("then_branch", inner) } } } };
                }
                node.Attribute.Add(Branch("body", inner));
                break;
            case 2:
                CallFunction(pick, node);
                break;
            default:
                foreach (NodeProto holder in graph.Node.Where(holder => holder.Attribute.Any(attribute => attribute.G is not null)).Take(1))
                {
                    GraphProto branch = holder.Attribute.First(attribute => attribute.G is not null).G;
                    Picker within = new(pick.Random, new ModelProto { Graph = branch });
                    if (pick.Once(2))
                    {
                        NodeMutations.Change(within);
                    }
                    else
                    {
                        GraphMutations.Change(within);
                    }
                }
                break;
        }
    }

    /// <summary>An If computes in both branches what the node computed.</summary>
    private static void MoveIntoBranch(GraphProto graph, NodeProto node, Picker pick)
    {
        NodeProto choice = new() { OpType = "If", Input = { pick.Name() }, Output = { node.Output } };
        foreach (string name in (string[])["then_branch", "else_branch"])
        {
            NodeProto copy = node.Clone();
            GraphProto branch = new() { Name = name, Node = { copy } };
            for (int i = 0; i < copy.Output.Count; i++)
            {
                copy.Output[i] = $"{name}.{copy.Output[i]}";
                branch.Output.Add(new ValueInfoProto { Name = copy.Output[i] });
            }
            choice.Attribute.Add(Branch(name, branch));
        }
        graph.Node.Add(choice);
        graph.Node.Remove(node);
    }

    private static void CallFunction(Picker pick, NodeProto node)
    {
        FunctionProto function = new() { Name = "Inner", Domain = "aligner.fuzz", Input = { node.Input }, Output = { node.Output }, Node = { node.Clone() }, OpsetImport = { pick.Model.OpsetImport } };
        if (pick.Once(3))
        {
            function.Node.Add(new NodeProto { OpType = "Inner", Domain = "aligner.fuzz" });
        }
        pick.Model.Functions.Add(function);
        node.OpType = "Inner";
        node.Domain = "aligner.fuzz";
        if (pick.Once(2))
        {
            pick.Model.OpsetImport.Add(new OperatorSetIdProto { Domain = "aligner.fuzz", Version = 1 });
        }
    }

    private static AttributeProto Branch(string name, GraphProto graph) => new() { Name = name, Type = AttributeType.Graph, G = graph };
}
