using System.Globalization;
using AlignerOnnx.Graph;
using AlignerOnnx.Graph.Text;
using Onnx;

namespace AlignerOnnx.GraphRewrites.Tests;

/// <summary>
/// A graph as text that two graphs share when their outputs are computed alike: inner values are numbered in the order in which the outputs need them, constants are told
/// apart by content, absent inputs at the end do not count, equal nodes and constants count once, what no output needs not at all; attributes are sorted and those that state a default are left out; names of
/// nodes, types of inner values and header do not count. Graph inputs and outputs keep their names, types and defaults.
/// </summary>
internal sealed class CanonicalGraph
{
    private static readonly HashSet<string> Defaults =
    [
        "FusedMatMul.transA=0", "FusedMatMul.transB=0", "FusedMatMul.transBatchA=0", "FusedMatMul.transBatchB=0", "FusedMatMul.alpha=1", "Softmax.axis=-1", "LogSoftmax.axis=-1",
        "Gather.axis=0", "Split.axis=0", "ReduceSum.keepdims=1", "ReduceMean.keepdims=1", "RotaryEmbedding.interleaved=0", "RotaryEmbedding.num_heads=0",
        "RotaryEmbedding.rotary_embedding_dim=0", "SimplifiedLayerNormalization.axis=-1", "SimplifiedLayerNormalization.stash_type=1", "Gemm.alpha=1", "Gemm.beta=1",
        "Gemm.transA=0", "Gemm.transB=0", "ArgMax.keepdims=1",
    ];

    private readonly GraphProto _source;
    private readonly GraphProto _result = new() { Name = "canonical" };
    private readonly Dictionary<string, NodeProto> _producers;
    private readonly Dictionary<string, TensorProto> _constants;
    private readonly HashSet<string> _read;
    private readonly Dictionary<string, string> _names = new() { [""] = "" };
    private readonly Dictionary<string, (NodeProto Node, int Number)> _nodes = [];
    private readonly Dictionary<string, string> _tensors = [];

    private CanonicalGraph(GraphProto source)
    {
        _source = source;
        _producers = source.Node.SelectMany(node => node.Output.Where(name => name.Length > 0).Select(name => (name, node))).ToDictionary(pair => pair.name, pair => pair.node);
        _constants = source.Initializer.ToDictionary(tensor => tensor.Name);
        _read = [.. source.Node.SelectMany(node => node.Input), .. source.Output.Select(output => output.Name)];
    }

    /// <summary>The canonical text of a model's graph.</summary>
    public static string Of(OnnxModel model) => OnnxText.Print(new ModelProto { Graph = new CanonicalGraph(model.ToProto().Graph).Build() });

    private GraphProto Build()
    {
        foreach (ValueInfoProto input in _source.Input.OrderBy(input => input.Name, StringComparer.Ordinal))
        {
            _names.Add(input.Name, input.Name);
            _result.Input.Add(input);
            if (_constants.TryGetValue(input.Name, out TensorProto? value))
            {
                _result.Initializer.Add(value);
            }
        }
        foreach (ValueInfoProto output in _source.Output)
        {
            _result.Output.Add(output);
            _result.Node.Add(new NodeProto { OpType = "Output", Input = { Visit(output.Name) }, Output = { output.Name } });
        }
        return _result;
    }

    private string Visit(string name)
    {
        if (!_names.TryGetValue(name, out string? canonical))
        {
            if (_constants.TryGetValue(name, out TensorProto? tensor))
            {
                _names.Add(name, VisitConstant(tensor));
            }
            else
            {
                VisitNode(_producers[name]);
            }
            canonical = _names[name];
        }
        return canonical;
    }

    private string VisitConstant(TensorProto tensor)
    {
        TensorProto nameless = tensor.Clone();
        nameless.ClearName();
        string content = OnnxText.Print(new ModelProto { Graph = new GraphProto { Initializer = { nameless } } });
        if (!_tensors.TryGetValue(content, out string? canonical))
        {
            canonical = $"c{_tensors.Count}";
            nameless.Name = canonical;
            _tensors.Add(content, canonical);
            _result.Initializer.Add(nameless);
        }
        return canonical;
    }

    private void VisitNode(NodeProto node)
    {
        NodeProto canonical = new() { OpType = node.OpType, Domain = Domains.Normalise(node.Domain) };
        canonical.Input.AddRange(node.Input.Select(Visit));
        while (canonical.Input is [.., ""])
        {
            canonical.Input.RemoveAt(canonical.Input.Count - 1);
        }
        canonical.Attribute.AddRange(node.Attribute.Where(attribute => !Defaults.Contains(Describe(node, attribute))).OrderBy(attribute => attribute.Name, StringComparer.Ordinal));
        string content = canonical.ToString();
        if (!_nodes.TryGetValue(content, out (NodeProto Node, int Number) known))
        {
            known = (canonical, _nodes.Count);
            _nodes.Add(content, known);
            _result.Node.Add(canonical);
        }
        for (int i = 0; i < node.Output.Count; i++)
        {
            if (node.Output[i].Length > 0 && _read.Contains(node.Output[i]))
            {
                known.Node.Output.AddRange(Enumerable.Repeat("", Math.Max(0, i + 1 - known.Node.Output.Count)));
                known.Node.Output[i] = _names[node.Output[i]] = i == 0 ? $"v{known.Number}" : $"v{known.Number}_{i}";
            }
        }
    }

    private static string Describe(NodeProto node, AttributeProto attribute) =>
        string.Create(CultureInfo.InvariantCulture, $"{node.OpType}.{attribute.Name}={(attribute.Type == AttributeProto.Types.AttributeType.Float ? attribute.F : attribute.I)}");
}
