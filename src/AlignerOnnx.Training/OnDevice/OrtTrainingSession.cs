using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>Trains an adapter from its artifacts in a native ONNX Runtime built with training: its steps, its optimizer, its checkpoint.</summary>
public sealed unsafe class OrtTrainingSession : IDisposable
{
    private const int Float = 1;
    private const int Int64 = 7;
    private const int LogErrors = 3;
    private readonly OrtTrainingLibrary _library;
    private readonly nint _environment;
    private readonly nint _options;
    private readonly nint _memory;
    private readonly nint _checkpoint;
    private readonly nint _session;
    private readonly int _outputs;

    /// <summary>Opens a folder of artifacts.</summary>
    /// <param name="library">The file of the native library.</param>
    /// <param name="artifacts">The folder that <see cref="TrainingArtifacts"/> wrote.</param>
    /// <param name="threads">Threads of one operator; 0 takes one for each core.</param>
    /// <exception cref="ModelRefusedException">The library has no training, or does not take the artifacts.</exception>
    public OrtTrainingSession(string library, string artifacts, int threads = 0)
    {
        _library = OrtTrainingLibrary.Load(library);
        fixed (byte* name = OrtTrainingLibrary.Text("aligner"))
        fixed (byte* checkpointFile = OrtTrainingLibrary.Text(Path.Combine(artifacts, ArtifactNames.Checkpoint)))
        fixed (byte* training = OrtTrainingLibrary.Text(Path.Combine(artifacts, ArtifactNames.TrainingModel)))
        fixed (byte* evaluation = OrtTrainingLibrary.Text(Path.Combine(artifacts, ArtifactNames.EvaluationModel)))
        fixed (byte* optimizer = OrtTrainingLibrary.Text(Path.Combine(artifacts, ArtifactNames.OptimizerModel)))
        {
            (nint environment, nint options, nint memory, nint checkpoint, nint session, nuint outputs) = (0, 0, 0, 0, 0, 0);
            Check(((delegate* unmanaged<int, byte*, nint*, nint>)_library.Api(OrtApiEntry.CreateEnv))(LogErrors, name, &environment), "start");
            Check(((delegate* unmanaged<nint*, nint>)_library.Api(OrtApiEntry.CreateSessionOptions))(&options), "make session options");
            Check(((delegate* unmanaged<nint, int, nint>)_library.Api(OrtApiEntry.SetIntraOpNumThreads))(options, threads), "set the number of threads");
            Check(((delegate* unmanaged<nint, int, nint>)_library.Api(OrtApiEntry.SetSessionLogSeverityLevel))(options, LogErrors), "set the log level");
            Check(((delegate* unmanaged<int, int, nint*, nint>)_library.Api(OrtApiEntry.CreateCpuMemoryInfo))(1, 0, &memory), "describe memory");
            Check(((delegate* unmanaged<byte*, nint*, nint>)_library.Training(OrtTrainingEntry.LoadCheckpoint))(checkpointFile, &checkpoint), "load the checkpoint");
            Check(((delegate* unmanaged<nint, nint, nint, byte*, byte*, byte*, nint*, nint>)_library.Training(OrtTrainingEntry.CreateTrainingSession))(
                environment, options, checkpoint, training, evaluation, optimizer, &session), "open the artifacts");
            Check(((delegate* unmanaged<nint, nuint*, nint>)_library.Training(OrtTrainingEntry.TrainingOutputCount))(session, &outputs), "count outputs");
            (_environment, _options, _memory, _checkpoint, _session, _outputs) = (environment, options, memory, checkpoint, session, (int)outputs);
        }
    }

    /// <summary>The library's version.</summary>
    public string RuntimeVersion => _library.Version;

    /// <summary>Computes loss and gradients of a batch; gradients of several batches add up until the optimizer's step.</summary>
    /// <returns>The loss.</returns>
    public double TrainStep(TrainingBatch batch) => Step(batch, OrtTrainingEntry.TrainStep, _outputs, "make a training step");

    /// <summary>Computes the loss of a batch alone.</summary>
    public double EvalStep(TrainingBatch batch) => Step(batch, OrtTrainingEntry.EvalStep, outputs: 2, "make an evaluation step");

    /// <summary>Moves tokens and gates by the gradients, and lets the next batch start from none.</summary>
    public void OptimizerStep()
    {
        Check(((delegate* unmanaged<nint, nint, nint>)_library.Training(OrtTrainingEntry.OptimizerStep))(_session, 0), "make an optimizer step");
        Check(((delegate* unmanaged<nint, nint>)_library.Training(OrtTrainingEntry.LazyResetGrad))(_session), "reset gradients");
    }

    /// <summary>The values of tokens and gates now.</summary>
    public AdapterParameters Read(AdapterShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        float[] all = new float[shape.TrainableValues];
        fixed (float* data = all)
        {
            long count = all.Length;
            nint value = Tensor(data, (nuint)all.Length * sizeof(float), [count], Float);
            Check(((delegate* unmanaged<nint, nint, byte, nint>)_library.Training(OrtTrainingEntry.CopyParametersToBuffer))(_session, value, 1), "read the parameters");
            Release(value);
        }
        return new AdapterParameters(shape, all[..shape.TokenValues], all[shape.TokenValues..]);
    }

    /// <summary>Writes the checkpoint with the optimizer's state.</summary>
    public void SaveCheckpoint(string path)
    {
        fixed (byte* file = OrtTrainingLibrary.Text(path))
        {
            Check(((delegate* unmanaged<nint, byte*, byte, nint>)_library.Training(OrtTrainingEntry.SaveCheckpoint))(_checkpoint, file, 1), "save the checkpoint");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ((delegate* unmanaged<nint, void>)_library.Training(OrtTrainingEntry.ReleaseTrainingSession))(_session);
        ((delegate* unmanaged<nint, void>)_library.Training(OrtTrainingEntry.ReleaseCheckpointState))(_checkpoint);
        ((delegate* unmanaged<nint, void>)_library.Api(OrtApiEntry.ReleaseMemoryInfo))(_memory);
        ((delegate* unmanaged<nint, void>)_library.Api(OrtApiEntry.ReleaseSessionOptions))(_options);
        ((delegate* unmanaged<nint, void>)_library.Api(OrtApiEntry.ReleaseEnv))(_environment);
    }

    private double Step(TrainingBatch batch, int entry, int outputs, string what)
    {
        ArgumentNullException.ThrowIfNull(batch);
        long[] grid = [batch.LineCount, batch.Length];
        long[] targets = [batch.TargetCount];
        fixed (long* ids = batch.InputIds, mask = batch.AttentionMask, positions = batch.TargetPositions, targetIds = batch.TargetIds)
        fixed (float* weights = batch.TargetWeights)
        {
            nint[] inputs =
            [
                Tensor(ids, Bytes(batch.InputIds), grid, Int64), Tensor(mask, Bytes(batch.AttentionMask), grid, Int64),
                Tensor(positions, Bytes(batch.TargetPositions), targets, Int64), Tensor(targetIds, Bytes(batch.TargetIds), targets, Int64),
                Tensor(weights, (nuint)batch.TargetWeights.Length * sizeof(float), targets, Float),
            ];
            nint[] results = new nint[outputs];
            fixed (nint* given = inputs, made = results)
            {
                Check(((delegate* unmanaged<nint, nint, nuint, nint*, nuint, nint*, nint>)_library.Training(entry))(_session, 0, (nuint)inputs.Length, given, (nuint)outputs, made), what);
            }
            float* loss = null;
            Check(((delegate* unmanaged<nint, float**, nint>)_library.Api(OrtApiEntry.GetTensorMutableData))(results[0], &loss), "read the loss");
            double value = *loss;
            Array.ForEach(inputs, Release);
            Array.ForEach(results, Release);
            return value;
        }
    }

    private static nuint Bytes(long[] numbers) => (nuint)numbers.Length * sizeof(long);

    private nint Tensor(void* data, nuint bytes, long[] shape, int type)
    {
        nint value = 0;
        fixed (long* dimensions = shape)
        {
            Check(((delegate* unmanaged<nint, void*, nuint, long*, nuint, int, nint*, nint>)_library.Api(OrtApiEntry.CreateTensorWithData))(
                _memory, data, bytes, dimensions, (nuint)shape.Length, type, &value), "make a tensor");
        }
        return value;
    }

    private void Release(nint value)
    {
        if (value != 0)
        {
            ((delegate* unmanaged<nint, void>)_library.Api(OrtApiEntry.ReleaseValue))(value);
        }
    }

    private void Check(nint status, string what) => _library.Check(status, what);
}
