using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>
/// Runs gradient and evaluation graphs in plain ONNX Runtime. The frozen weights stay in the base model's folder; only tokens, gates and their gradients,
/// a few thousand numbers, pass between .NET and the graph, in buffers that are made once.
/// </summary>
public sealed class OnnxRuntimeEngine : IGradientEngine
{
    private readonly Func<byte[]>? _evaluationGraph;
    private readonly string _modelFolder;
    private readonly OnnxRuntimeEngineOptions _options;
    private readonly GraphSession? _gradientSession;
    private readonly long[] _lossShape;
    private GraphSession? _evaluationSession;
    private ParameterBuffers? _buffers;

    /// <summary>Opens the gradient graph. The evaluation graph is made and opened at its first use, so that training starts sooner and a run without evaluation holds one session.</summary>
    /// <param name="gradientGraph">A serialised <c>Onnx.ModelProto</c> with the names of <see cref="GradientGraphNames"/>.</param>
    /// <param name="modelFolder">The folder that its external data is relative to.</param>
    /// <param name="evaluationGraph">Makes the same without gradients, called once or never; null evaluates with the gradient graph, which costs a backward pass for nothing.</param>
    /// <param name="options">Threads and device; null takes the defaults.</param>
    /// <exception cref="ModelRefusedException">ONNX Runtime cannot open the graph, or its names differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public OnnxRuntimeEngine(byte[] gradientGraph, string modelFolder, Func<byte[]>? evaluationGraph = null, OnnxRuntimeEngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(gradientGraph);
        ArgumentException.ThrowIfNullOrEmpty(modelFolder);
        _options = options ?? new OnnxRuntimeEngineOptions();
        _options.Check();
        _evaluationGraph = evaluationGraph;
        _modelFolder = modelFolder;
        _gradientSession = new GraphSession(gradientGraph, modelFolder, GradientGraphNames.GradientOutputs, _options);
        _lossShape = ShapeOfLoss(_gradientSession);
    }

    private OnnxRuntimeEngine(byte[] evaluationGraph, string modelFolder, OnnxRuntimeEngineOptions options)
    {
        options.Check();
        _options = options;
        _evaluationGraph = () => evaluationGraph;
        _modelFolder = modelFolder;
        _lossShape = [];
    }

    /// <summary>Makes an engine that only measures losses, so that no gradient graph is held.</summary>
    /// <param name="evaluationGraph">A serialised <c>Onnx.ModelProto</c> without gradients.</param>
    /// <param name="modelFolder">The folder that its external data is relative to.</param>
    /// <param name="options">Threads and device; null takes the defaults.</param>
    /// <returns>An engine whose <see cref="ComputeGradients"/> throws.</returns>
    public static OnnxRuntimeEngine ForEvaluation(byte[] evaluationGraph, string modelFolder, OnnxRuntimeEngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(evaluationGraph);
        ArgumentException.ThrowIfNullOrEmpty(modelFolder);
        return new OnnxRuntimeEngine(evaluationGraph, modelFolder, options ?? new OnnxRuntimeEngineOptions());
    }

    /// <inheritdoc/>
    public GradientResult ComputeGradients(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        GraphSession session = _gradientSession ?? throw new InvalidOperationException("The engine was opened for evaluation only.");
        if (session.ComparesPairs != batch.Pairs is not null)
        {
            throw new ArgumentException(session.ComparesPairs ? "The graph compares pairs, of which the batch has none." : "The batch has pairs, which the graph does not compare.", nameof(batch));
        }
        ParameterBuffers buffers = Load(parameters, session);
        using BatchValues values = new(batch, _lossShape);
        session.Run([.. values.Inputs, .. buffers.Inputs, .. values.PairInputs], [.. values.Outputs, .. buffers.Outputs, .. values.PairOutputs], cancellationToken);
        return new GradientResult(values.Loss, buffers.TokenGradient, buffers.GateGradient, values.TargetLogProbabilities) { Rewards = values.Rewards };
    }

    /// <inheritdoc/>
    public float[] ComputeLogProbabilities(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return _evaluationGraph is null
            ? ComputeGradients(batch, parameters, cancellationToken).TargetLogProbabilities
            : RunEvaluation(batch, parameters, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffers?.Dispose();
        _evaluationSession?.Dispose();
        _gradientSession?.Dispose();
    }

    private float[] RunEvaluation(TrainingBatch batch, AdapterParameters parameters, CancellationToken cancellationToken)
    {
        _evaluationSession ??= new GraphSession(_evaluationGraph!(), _modelFolder, GradientGraphNames.EvaluationOutputs, _options);
        ParameterBuffers buffers = Load(parameters, _evaluationSession);
        using BatchValues values = new(batch, ShapeOfLoss(_evaluationSession));
        _evaluationSession.Run([.. values.Inputs, .. buffers.Inputs], values.Outputs, cancellationToken);
        return values.TargetLogProbabilities;
    }

    private ParameterBuffers Load(AdapterParameters parameters, GraphSession session)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        RequireShape(session, GradientGraphNames.Tokens, parameters.Shape.TokenCount, parameters.Shape.HiddenSize);
        if (session.HasGates)
        {
            RequireShape(session, GradientGraphNames.Gates, parameters.Shape.AdaptedLayers, parameters.Shape.HeadCount);
        }
        else if (parameters.Shape.GateValues > 0)
        {
            throw new AdapterRefusedException("the adapter has gates", GradientGraphNames.Gates, $"{parameters.Shape}", "an adapter of concat attention", "use the attention that the graph was built for");
        }
        if (_buffers?.Shape != parameters.Shape)
        {
            _buffers?.Dispose();
            _buffers = new ParameterBuffers(parameters.Shape);
        }
        _buffers.Load(parameters);
        return _buffers;
    }

    /// <summary>Wrong sizes would reach ONNX Runtime as an opaque failure somewhere inside the graph.</summary>
    private static void RequireShape(GraphSession session, string name, params int[] found)
    {
        int[] expected = session.InputShape(name);
        if (expected.Length != 2 || expected.Zip(found).Any(pair => pair.First > 0 && pair.First != pair.Second))
        {
            throw new AdapterRefusedException("tokens or gates do not fit the gradient graph", name, $"[{string.Join(", ", found)}]", $"[{string.Join(", ", expected)}] (-1 = any)", "use the start layer and the model that the graph was built for");
        }
    }

    /// <summary>Some exporters write a scalar as one element.</summary>
    private static long[] ShapeOfLoss(GraphSession session) => session.OutputShape(GradientGraphNames.Loss).Length == 0 ? [] : [1];
}
