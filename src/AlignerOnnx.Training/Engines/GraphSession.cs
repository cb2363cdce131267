using AlignerOnnx.Graph;
using AlignerOnnx.Kernels;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Onnx;

namespace AlignerOnnx.Training;

/// <summary>One graph in ONNX Runtime: made from bytes, with weights in the model's folder, and checked against the contract of names.</summary>
internal sealed class GraphSession : IDisposable
{
    private const string DisablePrepackingKey = "session.disable_prepacking";
    private readonly InferenceSession _session;
    private readonly IReadOnlyList<string> _inputs;
    private readonly IReadOnlyList<string> _outputs;

    public GraphSession(byte[] graph, string modelFolder, IReadOnlyList<string> outputs, OnnxRuntimeEngineOptions options)
    {
        _session = Open(graph, modelFolder, options);
        HasGates = _session.InputMetadata.ContainsKey(GradientGraphNames.Gates);
        ComparesPairs = _session.InputMetadata.ContainsKey(GradientGraphNames.TargetSequences);
        _inputs = [.. GradientGraphNames.Inputs.Where(name => HasGates || name != GradientGraphNames.Gates), .. ComparesPairs ? GradientGraphNames.PreferenceInputs : []];
        _outputs = [.. outputs.Where(name => HasGates || name != GradientGraphNames.GatesGradient), .. ComparesPairs ? (IEnumerable<string>)[GradientGraphNames.Rewards] : []];
        try
        {
            RequireNames("inputs", _session.InputMetadata.Keys, _inputs);
            RequireNames("outputs", _session.OutputMetadata.Keys, _outputs);
        }
        catch
        {
            _session.Dispose();
            throw;
        }
    }

    /// <summary>Whether the graph is of gated attention; of concat attention it has neither gates nor their gradient.</summary>
    public bool HasGates { get; }

    /// <summary>Whether the graph's loss is over pairs of sequences: it has the further inputs <see cref="GradientGraphNames.PreferenceInputs"/> and the output <c>rewards</c>.</summary>
    public bool ComparesPairs { get; }

    /// <summary>The declared shape of an output; -1 for a symbolic dimension.</summary>
    public int[] OutputShape(string name) => _session.OutputMetadata[name].Dimensions;

    /// <summary>The declared shape of an input; -1 for a symbolic dimension.</summary>
    public int[] InputShape(string name) => _session.InputMetadata[name].Dimensions;

    public void Run(IReadOnlyCollection<OrtValue> inputs, IReadOnlyCollection<OrtValue> outputs, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using RunOptions run = new();
        using CancellationTokenRegistration stop = cancellationToken.Register(() => run.Terminate = true);
        try
        {
            _session.Run(run, _inputs, inputs, _outputs, outputs);
        }
        catch (OnnxRuntimeException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    public void Dispose() => _session.Dispose();

    private static InferenceSession Open(byte[] graph, string modelFolder, OnnxRuntimeEngineOptions options)
    {
        using SessionOptions session = new();
        session.IntraOpNumThreads = options.Threads;
        session.ExecutionMode = ExecutionMode.ORT_SEQUENTIAL;
        // Batches differ in length; a plan of memory for one shape would be kept for each of them.
        session.EnableMemoryPattern = false;
        // Warnings of ONNX Runtime about the graph's optimisation are of no use to the person who trains.
        session.LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR;
        SharedArena.UseIn(session);
        OperatorKernels.Register(session);
        session.AddSessionConfigEntry(SessionKeys.ExternalFolder, Path.GetFullPath(modelFolder));
        session.AddSessionConfigEntry(SessionKeys.DequantisedAccuracy, SessionKeys.FloatActivations);
        try
        {
            session.AddSessionConfigEntry(DisablePrepackingKey, options.Prepack ?? WantsPrepacking(graph) ? "0" : "1");
            options.Device.UseIn(options.DeviceId, session);
            return new InferenceSession(graph, session);
        }
        catch (Exception error) when (error is OnnxRuntimeException or EntryPointNotFoundException or InvalidProtocolBufferException)
        {
            throw new ModelRefusedException("ONNX Runtime cannot run the gradient graph", modelFolder, error.Message, "a graph and a device that ONNX Runtime supports", "check that the model's weights are beside it and that the device is present", error);
        }
    }

    private static bool WantsPrepacking(byte[] graph) => ModelProto.Parser.ParseFrom(graph).Graph?.Node.Any(node => node.OpType == "MatMulNBits") == true;

    private static void RequireNames(string kind, IEnumerable<string> found, IReadOnlyList<string> expected)
    {
        HashSet<string> names = [.. found];
        bool all = expected.All(names.Contains);
        // An input that is not fed stops ONNX Runtime at each step; an output too many is only not read.
        if (!all || (kind == "inputs" && names.Count != expected.Count))
        {
            throw new ModelRefusedException($"the gradient graph has other {kind}", null, string.Join(", ", names), string.Join(", ", expected), "build the graph with the gradient builder of this version");
        }
    }
}
