using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Changes the graph: nodes, inputs, outputs, declarations, and whole parts of another model.</summary>
internal static class GraphMutations
{
    public static void Change(Picker pick)
    {
        GraphProto graph = pick.Graph;
        switch (pick.Next(16))
        {
            case 0 when graph.Node.Count > 0:
                graph.Node.RemoveAt(pick.Next(graph.Node.Count));
                break;
            case 1 when pick.Node() is { } node:
                graph.Node.Add(node.Clone());
                break;
            case 2 when pick.Node() is { Output.Count: > 0 } node:
                Double(graph, node, pick);
                break;
            case 3 when graph.Node.Count > 1:
                NodeProto moved = graph.Node[pick.Next(graph.Node.Count)];
                graph.Node.Remove(moved);
                graph.Node.Insert(pick.Next(graph.Node.Count), moved);
                break;
            case 4 when pick.From(graph.Initializer) is { } tensor:
                graph.Initializer.Remove(tensor);
                break;
            case 5 when pick.From(graph.Initializer) is { } tensor:
                graph.Initializer.Add(tensor.Clone());
                break;
            case 6 when pick.From(graph.Input) is { } input:
                graph.Input.Remove(input);
                break;
            case 7 when pick.From(graph.Output) is { } output:
                graph.Output.Remove(output);
                break;
            case 8:
                graph.Output.Add(new ValueInfoProto { Name = pick.Name(), Type = pick.From(graph.Output)?.Type?.Clone() });
                break;
            case 9:
                graph.Input.Add(new ValueInfoProto { Name = pick.Name(), Type = pick.From(graph.Input)?.Type?.Clone() });
                break;
            case 10 when pick.From(graph.ValueInfo) is { } info:
                graph.ValueInfo.Remove(info);
                break;
            case 11:
                Rename(graph, pick);
                break;
            case 12 when pick.Node() is { Input.Count: > 0, Output.Count: > 0 } node:
                Insert(graph, node, pick);
                break;
            default:
                ChangeType(pick);
                break;
        }
    }

    /// <summary>Puts a run of another model's nodes in the place of some, with the tensors they read.</summary>
    public static void Splice(Picker pick, ModelProto other)
    {
        GraphProto graph = pick.Graph;
        if (graph.Node.Count == 0 || other.Graph.Node.Count == 0)
        {
            return;
        }
        int from = pick.Next(other.Graph.Node.Count);
        NodeProto[] run = [.. other.Graph.Node.Skip(from).Take(1 + pick.Next(12))];
        HashSet<string> read = [.. run.SelectMany(node => node.Input)];
        HashSet<string> known = [.. graph.Initializer.Select(tensor => tensor.Name)];
        graph.Initializer.AddRange(other.Graph.Initializer.Where(tensor => read.Contains(tensor.Name) && known.Add(tensor.Name)));
        int at = pick.Next(graph.Node.Count);
        for (int removed = pick.Next(run.Length + 1); removed > 0 && at < graph.Node.Count; removed--)
        {
            graph.Node.RemoveAt(at);
        }
        foreach (NodeProto node in run)
        {
            graph.Node.Insert(at++, node);
        }
    }

    /// <summary>A node of its own that computes the same; some reader reads it instead.</summary>
    private static void Double(GraphProto graph, NodeProto node, Picker pick)
    {
        NodeProto twin = node.Clone();
        for (int i = 0; i < twin.Output.Count; i++)
        {
            twin.Output[i] += ".twin";
        }
        graph.Node.Add(twin);
        if (graph.Node.FirstOrDefault(reader => reader.Input.Contains(node.Output[0])) is { } first)
        {
            first.Input[first.Input.IndexOf(node.Output[0])] = twin.Output[0];
        }
    }

    /// <summary>Puts a node between a value and its reader.</summary>
    private static void Insert(GraphProto graph, NodeProto reader, Picker pick)
    {
        int input = pick.Next(reader.Input.Count);
        NodeProto between = new() { OpType = pick.Next(6) switch { 0 => "Identity", 1 => "Cast", 2 => "Neg", 3 => "Add", 4 => "Reshape", _ => "Transpose" }, Output = { $"between{pick.Next(1 << 20)}" } };
        between.Input.Add(reader.Input[input]);
        if (between.OpType is "Add" or "Reshape")
        {
            between.Input.Add(pick.Name());
        }
        reader.Input[input] = between.Output[0];
        graph.Node.Add(between);
    }

    private static void Rename(GraphProto graph, Picker pick)
    {
        (string old, string name) = (pick.Name(), pick.OddName());
        foreach (NodeProto node in graph.Node)
        {
            Replace(node.Input);
            Replace(node.Output);
        }
        foreach (TensorProto tensor in graph.Initializer.Where(tensor => tensor.Name == old))
        {
            tensor.Name = name;
        }
        foreach (ValueInfoProto info in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo).Where(info => info.Name == old))
        {
            info.Name = name;
        }

        void Replace(IList<string> names)
        {
            for (int i = 0; i < names.Count; i++)
            {
                names[i] = names[i] == old ? name : names[i];
            }
        }
    }

    private static void ChangeType(Picker pick)
    {
        GraphProto graph = pick.Graph;
        ValueInfoProto? info = pick.Next(3) switch { 0 => pick.From(graph.Input), 1 => pick.From(graph.Output), _ => pick.From(graph.ValueInfo) };
        if (info?.Type?.TensorType is not { } tensor)
        {
            return;
        }
        switch (pick.Next(7))
        {
            case 0:
                info.Type = null;
                break;
            case 1:
                tensor.ElemType = pick.Next(27);
                break;
            case 2:
                tensor.Shape = null;
                break;
            case 3 when tensor.Shape is { Dim.Count: > 0 } shape:
                shape.Dim.RemoveAt(pick.Next(shape.Dim.Count));
                break;
            case 4 when tensor.Shape is { } shape:
                shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = pick.OddName() });
                break;
            case 5:
                info.Type = new TypeProto { SequenceType = new TypeProto.Types.Sequence { ElemType = info.Type } };
                break;
            default:
                if (pick.From(tensor.Shape?.Dim ?? []) is { } dimension)
                {
                    dimension.DimValue = pick.Number();
                }
                break;
        }
    }
}
