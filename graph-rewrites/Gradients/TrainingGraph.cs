using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients.Rules;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Lowering;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>What a training graph computes.</summary>
public enum TrainingGraphKind
{
    /// <summary>The loss and the gradients of tokens and gates.</summary>
    Gradient,

    /// <summary>The loss alone.</summary>
    Evaluation,

    /// <summary>The logits of every position.</summary>
    Logits,
}

/// <summary>
/// Builds the graphs of training from a base model: lower, inject tokens and gates, attach the loss, differentiate.
/// Inputs: <c>input_ids</c>, <c>attention_mask</c> int64 [b, s], 0 on padding behind the tokens, 1 on tokens, or 1, 2, ... for sequences that are packed into one row; <c>aligner.tokens</c> [N, d], <c>aligner.gates</c> [L', H] (gated attention alone); with a loss also
/// <c>target_positions</c>, <c>target_ids</c> int64 [m] and <c>target_weights</c> [m], where a position is row * s + the place whose logits predict the target.
/// Outputs: <c>loss</c>, <c>target_log_probabilities</c> [m], <c>aligner.tokens_gradient</c>, <c>aligner.gates_gradient</c>; or <c>logits</c> [b, s, V].
/// A preference loss also reads <c>target_sequences</c> int64 [m], <c>sequence_weights</c> [m], <c>reference_log_probabilities</c> [2 p], <c>pair_weights</c> [p], <c>kept_log_probabilities</c> [m] and
/// <c>kept_weights</c> [m], sequence 2k being the preferred answer of pair k and 2k + 1 the other one; it adds <c>rewards</c> [2 p].
/// </summary>
public static class TrainingGraph
{
    // Adding by ScatterElements came with opset 18, reductions over an input of axes with 13; ONNX Runtime Training reads nothing above 21.
    private const long Opset = 21;

    /// <summary>Builds a graph; the base model is not changed, and its weights stay in its data files.</summary>
    /// <param name="baseModel">The base model.</param>
    /// <param name="kind">What to compute.</param>
    /// <param name="startLayer">The first adapted layer, 0 .. L - 1.</param>
    /// <param name="tokens">N, at least 1.</param>
    /// <param name="options">How to compute it; null for the defaults.</param>
    /// <exception cref="ModelRefusedException">The model cannot be recognised, lowered or differentiated.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer, or no such number of tokens.</exception>
    public static OnnxModel Build(OnnxModel baseModel, TrainingGraphKind kind, int startLayer, int tokens, TrainingGraphOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(baseModel);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        options ??= new TrainingGraphOptions();
        OnnxModel model = baseModel.Clone();
        OpsetLowering.Apply(model, Opset);
        model.RequireOpset(Domains.Microsoft, 1);
        PrecisionLowering.Apply(model.Graph);
        TokenInputLowering.Apply(model.Graph);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(model).RequireSites();
        ArgumentOutOfRangeException.ThrowIfNegative(startLayer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(startLayer, sites.Count);
        IReadOnlyList<Value> parameters = options.Attention == AttentionReading.Concat ? Concat(model, sites, startLayer, tokens) : Gated(model, sites, startLayer, tokens);
        if (options.Runtime == TrainingRuntime.OnnxRuntimeTraining)
        {
            EmbeddingLowering.Apply(model.Graph);
        }
        if (options.Runtime == TrainingRuntime.AlignerKernels)
        {
            model.RequireOpset(KernelOperators.Domain, 1);
        }
        if (kind != TrainingGraphKind.Logits)
        {
            AttachLoss(model, kind, parameters, options);
        }
        if (options.Runtime == TrainingRuntime.AlignerKernels)
        {
            StoredProducts.Apply(model.Graph);
        }
        RemoveWhatIsNotRead(model.Graph);
        model.LimitOpset(Domains.Standard, options.Runtime == TrainingRuntime.OnnxRuntimeTraining ? Opset : long.MaxValue);
        return model;
    }

    /// <summary>Whether the graphs of a model take several sequences in one row (attention_mask 1, 2, ...).</summary>
    /// <exception cref="ModelRefusedException">The model cannot be recognised.</exception>
    public static bool CanPack(OnnxModel baseModel) => DecoderLowering.CanPack(RecognisedModel.Of(baseModel).RequireSites());

    private static Value[] Gated(OnnxModel model, IReadOnlyList<AttentionSite> sites, int startLayer, int tokens)
    {
        (IReadOnlyList<LoweredSite> lowered, SequenceFacts sequence) = DecoderLowering.Apply(model, sites);
        (Value tokenInput, Value gateInput) = TrainingInjection.Apply(model.Graph, lowered, sequence, startLayer, tokens);
        return [tokenInput, gateInput];
    }

    private static Value[] Concat(OnnxModel model, IReadOnlyList<AttentionSite> sites, int startLayer, int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(startLayer, 0);
        (Value tokenInput, LeadingTokens leading) = ConcatTrainingInjection.Apply(model, sites, tokens);
        DecoderLowering.Apply(model, sites, leading);
        return [tokenInput];
    }

    private static void AttachLoss(OnnxModel model, TrainingGraphKind kind, IReadOnlyList<Value> parameters, TrainingGraphOptions options)
    {
        OnnxGraph graph = model.Graph;
        TargetLogProbabilities targets = TargetLogProbabilities.Attach(model, options, differentiated: kind == TrainingGraphKind.Gradient);
        ITrainingLoss loss = options.Preference is null ? CrossEntropyLoss.Attach(targets) : PreferenceLoss.Attach(targets, options.Preference);
        foreach ((Value value, TypeProto type) in loss.Outputs)
        {
            graph.AddOutput(value, type);
        }
        graph.AddOutput(targets.Values, Shapes.Declare(DataType.Float, "targets"));
        if (kind == TrainingGraphKind.Gradient)
        {
            AddGradients(graph, targets.Origin, targets.OriginGradient(loss.TargetWeights), parameters, options);
        }
    }

    private static void AddGradients(OnnxGraph graph, Value origin, Value originGradient, IReadOnlyList<Value> parameters, TrainingGraphOptions options)
    {
        HashSet<Node> forward = [.. graph.Nodes];
        GradientContext gradients = Differentiator.Differentiate(graph, origin, originGradient, parameters, options.Runtime);
        foreach (Value parameter in parameters)
        {
            string name = $"{parameter.Name}_gradient";
            graph.AddOutput(graph.AddNode("Identity", Domains.Standard, name, [gradients.GradientOf(parameter)], [name]).Output, parameter.Type!);
        }
        if (options.Recompute)
        {
            Recomputation.Apply(graph, forward, gradients);
        }
    }

    private static void RemoveWhatIsNotRead(OnnxGraph graph)
    {
        graph.RemoveUnused();
        foreach (Value input in graph.Inputs.Where(input => input.Uses.Count == 0).ToArray())
        {
            graph.RemoveInput(input);
        }
    }
}
