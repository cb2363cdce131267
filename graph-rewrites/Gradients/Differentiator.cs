using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients.Kernels;
using AlignerOnnx.GraphRewrites.Gradients.Rules;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>Reverse-mode differentiation of a graph, only along paths that lead from what is trained to the loss.</summary>
internal static class Differentiator
{
    private static readonly IGradientRule[] Rules =
    [
        // Elementwise.
        new AddGradient(), new SubGradient(), new MulGradient(), new DivGradient(), new NegGradient(), new PowGradient(), new SqrtGradient(), new ReciprocalGradient(), new ExpGradient(),
        new LogGradient(), new AbsGradient(), new SinGradient(), new CosGradient(), new ClipGradient(), new ExtremumGradient(), new WhereGradient(), new CastGradient(), new IdentityGradient(),
        // Activations and normalizations.
        new SigmoidGradient(), new QuickGeluGradient(), new GeluGradient(), new TanhGradient(), new ErfGradient(), new SoftmaxGradient(), new LogSoftmaxGradient(), new ReluGradient(),
        new SoftplusGradient(), new SimplifiedLayerNormalizationGradient(), new LayerNormalizationGradient(), new ReduceMeanGradient(), new ReduceSumGradient(), new ReduceExtremumGradient(),
        new CumSumGradient(),
        // Products and rotations.
        new MatMulGradient(), new FusedMatMulGradient(), new GemmGradient(), new MatMulNBitsGradient(), new EinsumGradient(), new RotaryEmbeddingGradient(),
        // Layout.
        new ReshapeGradient(), new TransposeGradient(), new UnsqueezeGradient(), new SqueezeGradient(), new ExpandGradient(), new TileGradient(), new SplitGradient(), new ConcatGradient(), new SliceGradient(),
        new FlattenGradient(), new TriluGradient(), new GatherGradient(), new GatherElementsGradient(),
    ];

    /// <summary>Rules that come first where kernels of our own run.</summary>
    private static readonly IGradientRule[] KernelRules = [new SwiGluKernelGradient(), new RootMeanSquareKernelGradient(), new SoftmaxKernelGradient()];

    /// <summary>Adds the backward pass.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="result">The value whose gradient is known.</param>
    /// <param name="resultGradient">That gradient.</param>
    /// <param name="parameters">The values whose gradients are wanted.</param>
    /// <param name="runtime">Whose operators may be used.</param>
    /// <returns>The gradients; that of each parameter is there.</returns>
    /// <exception cref="ModelRefusedException">An operator on the way has no gradient rule, or a parameter does not reach the result.</exception>
    public static GradientContext Differentiate(OnnxGraph graph, Value result, Value resultGradient, IReadOnlyList<Value> parameters, TrainingRuntime runtime = TrainingRuntime.OnnxRuntime)
    {
        Node[] order = [.. NodeOrder.Topological(graph.Nodes)];
        IReadOnlySet<Node> leading = NodeOrder.Reaching([result], graph);
        HashSet<Value> active = [.. parameters];
        Node[] path = [.. order.Where(node => leading.Contains(node) && Activate(node, active))];
        GradientContext context = new(new OpEmitter(graph, "aligner.backward"), active, runtime);
        context.Accumulate(result, resultGradient);
        foreach (Node node in path.Reverse())
        {
            if (node.Outputs.Any(output => context.GradientOf(output) is not null))
            {
                RuleFor(node, runtime).Differentiate(node, context);
            }
        }
        return parameters.FirstOrDefault(parameter => context.GradientOf(parameter) is null) is { } lost
            ? throw new ModelRefusedException("What is trained does not reach the loss", $"input '{lost.Name}'")
            : context;
    }

    private static bool Activate(Node node, HashSet<Value> active)
    {
        // A shape depends on no value: Shape ends the path.
        if (node.Is("Shape") || !node.Inputs.Any(input => input is not null && active.Contains(input)))
        {
            return false;
        }
        active.UnionWith(node.Outputs.OfType<Value>());
        return true;
    }

    private static IGradientRule RuleFor(Node node, TrainingRuntime runtime) =>
        (runtime == TrainingRuntime.AlignerKernels ? Array.Find(KernelRules, rule => rule.LooksFor(node)) : null)
        ?? Array.Find(Rules, rule => rule.LooksFor(node))
        ?? throw new ModelRefusedException($"The operator {node.OpType} has no gradient rule", node.ToString(), remedy: "report the exporter and the model family");
}
