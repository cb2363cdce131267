using Google.Protobuf.Collections;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>
/// Puts the nodes of model-local functions in the place of their calls, as every runtime does: what follows sees operators alone. torch.onnx writes a function for each
/// module or for each operator of PyTorch. <see cref="FunctionChecks"/> has seen that they end.
/// </summary>
internal sealed class FunctionExpansion
{
    private readonly Dictionary<FunctionChecks.Key, FunctionProto> _functions;
    private int _calls;

    private FunctionExpansion(ModelProto model) => _functions = model.Functions.ToDictionary(FunctionChecks.KeyOf);

    /// <summary>Expands all functions of a model, in place.</summary>
    public static void Apply(ModelProto model)
    {
        if (model.Functions.Count == 0)
        {
            return;
        }
        FunctionExpansion expansion = new(model);
        foreach (OperatorSetIdProto import in model.Functions.SelectMany(function => function.OpsetImport))
        {
            if (!model.OpsetImport.Any(known => Domains.Normalise(known.Domain) == Domains.Normalise(import.Domain)))
            {
                model.OpsetImport.Add(import.Clone());
            }
        }
        expansion.Expand(model.Graph);
        model.Functions.Clear();
    }

    private void Expand(GraphProto graph)
    {
        NodeProto[] nodes = [.. graph.Node.SelectMany(Expand)];
        graph.Node.Clear();
        graph.Node.AddRange(nodes);
    }

    private IEnumerable<NodeProto> Expand(NodeProto node)
    {
        if (_functions.GetValueOrDefault(FunctionChecks.KeyOf(node)) is { } function)
        {
            return Body(node, function).SelectMany(Expand);
        }
        foreach (GraphProto inner in Messages.Subgraphs(node))
        {
            Expand(inner);
        }
        return [node];
    }

    private IEnumerable<NodeProto> Body(NodeProto call, FunctionProto function)
    {
        Scope scope = new(call, function, $"{function.Name}.{_calls++}.");
        return function.Node.Select(node =>
        {
            NodeProto copy = node.Clone();
            scope.Enter(copy);
            return copy;
        });
    }

    /// <summary>The names and attributes of a function's nodes at one of its calls.</summary>
    private sealed class Scope
    {
        private readonly Dictionary<string, string> _names = new(StringComparer.Ordinal) { [""] = "" };
        private readonly Dictionary<string, AttributeProto> _attributes;
        private readonly string _prefix;

        public Scope(NodeProto call, FunctionProto function, string prefix)
        {
            _prefix = prefix;
            for (int i = 0; i < function.Input.Count; i++)
            {
                _names[function.Input[i]] = i < call.Input.Count ? call.Input[i] : "";
            }
            for (int i = 0; i < Math.Min(function.Output.Count, call.Output.Count); i++)
            {
                if (call.Output[i].Length > 0)
                {
                    _names[function.Output[i]] = call.Output[i];
                }
            }
            _attributes = function.AttributeProto.Concat(call.Attribute).GroupBy(attribute => attribute.Name).ToDictionary(same => same.Key, same => same.Last(), StringComparer.Ordinal);
        }

        public void Enter(NodeProto node)
        {
            node.Name = _prefix + node.Name;
            Rename(node.Input);
            Rename(node.Output);
            AttributeProto[] attributes = [.. node.Attribute.Select(Given).OfType<AttributeProto>()];
            node.Attribute.Clear();
            node.Attribute.AddRange(attributes);
            foreach (GraphProto inner in Messages.Subgraphs(node))
            {
                Enter(inner);
            }
        }

        private void Enter(GraphProto graph)
        {
            foreach (ValueInfoProto value in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo))
            {
                value.Name = NameOf(value.Name);
            }
            foreach (TensorProto tensor in graph.Initializer)
            {
                tensor.Name = NameOf(tensor.Name);
            }
            foreach (NodeProto node in graph.Node)
            {
                Enter(node);
            }
        }

        /// <summary>An attribute that refers to one of the call; null where the call does not give it and it has no default.</summary>
        private AttributeProto? Given(AttributeProto attribute)
        {
            if (attribute.RefAttrName.Length == 0)
            {
                return attribute;
            }
            AttributeProto? given = _attributes.GetValueOrDefault(attribute.RefAttrName)?.Clone();
            if (given is not null)
            {
                given.Name = attribute.Name;
            }
            return given;
        }

        private void Rename(RepeatedField<string> names)
        {
            for (int i = 0; i < names.Count; i++)
            {
                names[i] = NameOf(names[i]);
            }
        }

        private string NameOf(string name) => _names.TryGetValue(name, out string? outer) ? outer : _prefix + name;
    }
}
