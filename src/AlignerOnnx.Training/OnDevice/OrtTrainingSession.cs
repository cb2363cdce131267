using System.Runtime.InteropServices;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>A training session of a native ONNX Runtime built with training: its steps, its optimizer, its checkpoint. Not safe for concurrent calls.</summary>
internal sealed unsafe class OrtTrainingSession : IDisposable
{
    private const int Float = 1;
    private const int Int64 = 7;
    private const int LogErrors = 3;
    private readonly OrtTrainingLibrary _library;
    private nint _environment;
    private nint _options;
    private nint _memory;
    private nint _checkpoint;
    private nint _session;
    private readonly int _trainingOutputs;
    private readonly int _evaluationOutputs;

    /// <summary>Opens artifacts that are in memory; their frozen weights stay where they are.</summary>
    /// <param name="library">The file of the native library.</param>
    /// <param name="artifacts">The graphs and the checkpoint.</param>
    /// <param name="threads">Threads of one operator; 0 takes one for each core.</param>
    /// <exception cref="ModelRefusedException">The library has no training, or does not take the artifacts.</exception>
    public OrtTrainingSession(string library, ArtifactSet artifacts, int threads = 0) : this(OrtTrainingLibrary.Load(library), threads)
    {
        (nint checkpoint, nint session) = (0, 0);
        Configure(SessionKeys.ExternalFolder, Path.GetFullPath(artifacts.DataFolder));
        fixed (byte* state = artifacts.Checkpoint, training = artifacts.TrainingModel, evaluation = artifacts.EvaluationModel, optimizer = artifacts.OptimizerModel)
        {
            Check(((delegate* unmanaged<byte*, nuint, nint*, nint>)_library.Training(OrtTrainingEntry.LoadCheckpointFromBuffer))(state, (nuint)artifacts.Checkpoint.Length, &checkpoint), "load the checkpoint");
            _checkpoint = checkpoint;
            Check(((delegate* unmanaged<nint, nint, nint, byte*, nuint, byte*, nuint, byte*, nuint, nint*, nint>)_library.Training(OrtTrainingEntry.CreateTrainingSessionFromBuffer))(
                _environment, _options, checkpoint, training, (nuint)artifacts.TrainingModel.Length, evaluation, (nuint)artifacts.EvaluationModel.Length,
                optimizer, (nuint)artifacts.OptimizerModel.Length, &session), "open the artifacts");
            _session = session;
        }
        (_trainingOutputs, _evaluationOutputs) = CountOutputs();
    }

    /// <summary>Opens artifact files; only a session of files can export.</summary>
    /// <param name="library">The file of the native library.</param>
    /// <param name="files">The files of checkpoint, training, evaluation and optimizer.</param>
    /// <param name="threads">Threads of one operator; 0 takes one for each core.</param>
    /// <exception cref="ModelRefusedException">The library has no training, or does not take the artifacts.</exception>
    public OrtTrainingSession(string library, (string Checkpoint, string Training, string Evaluation, string Optimizer) files, int threads = 0) : this(OrtTrainingLibrary.Load(library), threads)
    {
        (nint checkpoint, nint session) = (0, 0);
        fixed (byte* state = OrtTrainingLibrary.PathText(files.Checkpoint), training = OrtTrainingLibrary.PathText(files.Training),
            evaluation = OrtTrainingLibrary.PathText(files.Evaluation), optimizer = OrtTrainingLibrary.PathText(files.Optimizer))
        {
            Check(((delegate* unmanaged<byte*, nint*, nint>)_library.Training(OrtTrainingEntry.LoadCheckpoint))(state, &checkpoint), "load the checkpoint");
            _checkpoint = checkpoint;
            Check(((delegate* unmanaged<nint, nint, nint, byte*, byte*, byte*, nint*, nint>)_library.Training(OrtTrainingEntry.CreateTrainingSession))(
                _environment, _options, checkpoint, training, evaluation, optimizer, &session), "open the artifacts");
            _session = session;
        }
        (_trainingOutputs, _evaluationOutputs) = CountOutputs();
    }

    private OrtTrainingSession(OrtTrainingLibrary library, int threads)
    {
        _library = library;
        (nint environment, nint options, nint memory) = (0, 0, 0);
        fixed (byte* name = OrtTrainingLibrary.Utf8("aligner"))
        {
            Check(((delegate* unmanaged<int, byte*, nint*, nint>)_library.Api(OrtApiEntry.CreateEnv))(LogErrors, name, &environment), "start");
        }
        _environment = environment;
        Check(((delegate* unmanaged<nint*, nint>)_library.Api(OrtApiEntry.CreateSessionOptions))(&options), "make session options");
        _options = options;
        Check(((delegate* unmanaged<nint, int, nint>)_library.Api(OrtApiEntry.SetIntraOpNumThreads))(options, threads), "set the number of threads");
        Check(((delegate* unmanaged<nint, int, nint>)_library.Api(OrtApiEntry.SetSessionLogSeverityLevel))(options, LogErrors), "set the log level");
        // Batches differ in length; a plan of memory for one shape would be kept for each of them.
        Check(((delegate* unmanaged<nint, nint>)_library.Api(OrtApiEntry.DisableMemPattern))(options), "set the use of memory");
        Check(((delegate* unmanaged<int, int, nint*, nint>)_library.Api(OrtApiEntry.CreateCpuMemoryInfo))(1, 0, &memory), "describe memory");
        _memory = memory;
        Configure(SessionKeys.DequantisedAccuracy, SessionKeys.FloatActivations);
    }

    private void Configure(string key, string value)
    {
        fixed (byte* name = OrtTrainingLibrary.Utf8(key), text = OrtTrainingLibrary.Utf8(value))
        {
            Check(((delegate* unmanaged<nint, byte*, byte*, nint>)_library.Api(OrtApiEntry.AddSessionConfigEntry))(_options, name, text), $"set {key}");
        }
    }

    /// <summary>The library's version.</summary>
    public string RuntimeVersion => _library.Version;

    /// <summary>Runs the training graph; gradients of several runs add up until the optimizer's step.</summary>
    /// <param name="inputs">The graph's inputs that are no parameters, in the graph's order.</param>
    /// <returns>The graph's float outputs in the graph's order.</returns>
    public float[][] TrainStep(params IReadOnlyList<TensorData> inputs) => Run(OrtTrainingEntry.TrainStep, inputs, _trainingOutputs, "make a training step");

    /// <summary>Runs the evaluation graph.</summary>
    /// <param name="inputs">The graph's inputs that are no parameters, in the graph's order.</param>
    /// <returns>The graph's float outputs in the graph's order.</returns>
    public float[][] EvalStep(params IReadOnlyList<TensorData> inputs) => Run(OrtTrainingEntry.EvalStep, inputs, _evaluationOutputs, "make an evaluation step");

    /// <summary>Moves the parameters by the gradients, and lets the next run start from none.</summary>
    public void OptimizerStep()
    {
        Check(((delegate* unmanaged<nint, nint, nint>)_library.Training(OrtTrainingEntry.OptimizerStep))(_session, 0), "make an optimizer step");
        ResetGradients();
    }

    /// <summary>Lets the next run of the training graph start from no gradients.</summary>
    public void ResetGradients() => Check(((delegate* unmanaged<nint, nint>)_library.Training(OrtTrainingEntry.LazyResetGrad))(_session), "reset gradients");

    /// <summary>Reads the trainable parameters, one behind the other in the order of the training graph's inputs.</summary>
    public float[] ReadParameters()
    {
        nuint count = 0;
        Check(((delegate* unmanaged<nint, nuint*, byte, nint>)_library.Training(OrtTrainingEntry.GetParametersSize))(_session, &count, 1), "count the parameters");
        float[] all = new float[count];
        CopyParameters(all, OrtTrainingEntry.CopyParametersToBuffer, "read the parameters");
        return all;
    }

    /// <summary>Sets the trainable parameters; the optimizer's memory stays.</summary>
    /// <param name="all">As <see cref="ReadParameters"/> gives them.</param>
    public void WriteParameters(float[] all) => CopyParameters(all, OrtTrainingEntry.CopyBufferToParameters, "set the parameters");

    /// <summary>Writes the checkpoint with the optimizer's state.</summary>
    public void SaveCheckpoint(string path)
    {
        fixed (byte* file = OrtTrainingLibrary.PathText(path))
        {
            Check(((delegate* unmanaged<nint, byte*, byte, nint>)_library.Training(OrtTrainingEntry.SaveCheckpoint))(_checkpoint, file, 1), "save the checkpoint");
        }
    }

    /// <summary>Writes the evaluation graph with the parameters as constants.</summary>
    /// <param name="path">The file to write.</param>
    /// <param name="outputs">The outputs to keep.</param>
    public void Export(string path, params IReadOnlyList<string> outputs)
    {
        byte[][] names = [.. outputs.Select(OrtTrainingLibrary.Utf8)];
        GCHandle[] pins = [.. names.Select(name => GCHandle.Alloc(name, GCHandleType.Pinned))];
        try
        {
            nint[] pointers = [.. pins.Select(pin => pin.AddrOfPinnedObject())];
            fixed (byte* file = OrtTrainingLibrary.PathText(path))
            fixed (nint* list = pointers)
            {
                Check(((delegate* unmanaged<nint, byte*, nuint, nint*, nint>)_library.Training(OrtTrainingEntry.ExportModelForInferencing))(_session, file, (nuint)pointers.Length, list), "export the model");
            }
        }
        finally
        {
            Array.ForEach(pins, pin => pin.Free());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release(ref _session, _library.Training(OrtTrainingEntry.ReleaseTrainingSession));
        Release(ref _checkpoint, _library.Training(OrtTrainingEntry.ReleaseCheckpointState));
        Release(ref _memory, _library.Api(OrtApiEntry.ReleaseMemoryInfo));
        Release(ref _options, _library.Api(OrtApiEntry.ReleaseSessionOptions));
        Release(ref _environment, _library.Api(OrtApiEntry.ReleaseEnv));
    }

    private (int Training, int Evaluation) CountOutputs()
    {
        (nuint training, nuint evaluation) = (0, 0);
        Check(((delegate* unmanaged<nint, nuint*, nint>)_library.Training(OrtTrainingEntry.TrainingOutputCount))(_session, &training), "count outputs");
        Check(((delegate* unmanaged<nint, nuint*, nint>)_library.Training(OrtTrainingEntry.EvaluationOutputCount))(_session, &evaluation), "count outputs");
        return ((int)training, (int)evaluation);
    }

    private float[][] Run(int entry, IReadOnlyList<TensorData> inputs, int outputs, string what)
    {
        using PinnedTensors pinned = new(inputs);
        nint[] given = new nint[inputs.Count];
        nint[] made = new nint[outputs];
        try
        {
            for (int i = 0; i < given.Length; i++)
            {
                given[i] = Tensor(pinned[i], inputs[i].Bytes, inputs[i].Shape, inputs[i].Data is long[] ? Int64 : Float);
            }
            fixed (nint* from = given, to = made)
            {
                Check(((delegate* unmanaged<nint, nint, nuint, nint*, nuint, nint*, nint>)_library.Training(entry))(_session, 0, (nuint)given.Length, from, (nuint)outputs, to), what);
            }
            return [.. made.Select(Read).OfType<float[]>()];
        }
        finally
        {
            foreach (nint value in given.Concat(made))
            {
                nint tensor = value;
                Release(ref tensor, _library.Api(OrtApiEntry.ReleaseValue));
            }
        }
    }

    private void CopyParameters(float[] all, int entry, string what)
    {
        fixed (float* data = all)
        {
            nint value = Tensor((nint)data, (nuint)all.Length * sizeof(float), [all.Length], Float);
            try
            {
                Check(((delegate* unmanaged<nint, nint, byte, nint>)_library.Training(entry))(_session, value, 1), what);
            }
            finally
            {
                Release(ref value, _library.Api(OrtApiEntry.ReleaseValue));
            }
        }
    }

    /// <summary>Null where the numbers are no floats: the runtime counts the flags of its gradient buffers as outputs.</summary>
    private float[]? Read(nint value)
    {
        (nint shape, nuint count, int type, nint data) = (0, 0, 0, 0);
        Check(((delegate* unmanaged<nint, nint*, nint>)_library.Api(OrtApiEntry.GetTensorTypeAndShape))(value, &shape), "read a shape");
        try
        {
            Check(((delegate* unmanaged<nint, nuint*, nint>)_library.Api(OrtApiEntry.GetTensorShapeElementCount))(shape, &count), "read a shape");
            Check(((delegate* unmanaged<nint, int*, nint>)_library.Api(OrtApiEntry.GetTensorElementType))(shape, &type), "read a type");
        }
        finally
        {
            Release(ref shape, _library.Api(OrtApiEntry.ReleaseTensorTypeAndShape));
        }
        if (type != Float)
        {
            return null;
        }
        Check(((delegate* unmanaged<nint, nint*, nint>)_library.Api(OrtApiEntry.GetTensorMutableData))(value, &data), "read a result");
        return new ReadOnlySpan<float>((float*)data, (int)count).ToArray();
    }

    private nint Tensor(nint data, nuint bytes, long[] shape, int type)
    {
        nint value = 0;
        fixed (long* dimensions = shape)
        {
            Check(((delegate* unmanaged<nint, nint, nuint, long*, nuint, int, nint*, nint>)_library.Api(OrtApiEntry.CreateTensorWithData))(
                _memory, data, bytes, dimensions, (nuint)shape.Length, type, &value), "make a tensor");
        }
        return value;
    }

    private static void Release(ref nint handle, nint function)
    {
        if (handle != 0)
        {
            ((delegate* unmanaged<nint, void>)function)(handle);
            handle = 0;
        }
    }

    private void Check(nint status, string what)
    {
        try
        {
            _library.Check(status, what);
        }
        catch when (_session == 0)
        {
            // A constructor that throws leaves nobody to dispose what it has made so far.
            Dispose();
            throw;
        }
    }
}
