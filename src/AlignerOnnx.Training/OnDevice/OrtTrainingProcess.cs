using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.IO.Pipes;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>A native ONNX Runtime built with training, in a process of its own (<see cref="OrtTrainingWorker"/>). Not safe for concurrent calls.</summary>
public sealed class OrtTrainingProcess : IDisposable
{
    private const int MostErrorLines = 5;
    private readonly Process _process;
    private readonly BinaryWriter _requests;
    private readonly BinaryReader _replies;
    private readonly Queue<string> _errors = new();
    private readonly string _library;

    private OrtTrainingProcess(Process process, Stream requests, Stream replies, string library)
    {
        _process = process;
        _library = library;
        _requests = new BinaryWriter(new BufferedStream(requests));
        _replies = new BinaryReader(new BufferedStream(replies));
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += (_, line) => CollectError(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>The library's version, for example 1.28.0.</summary>
    public string RuntimeVersion { get; private set; } = "";

    /// <summary>Starts a process and loads the library in it.</summary>
    /// <param name="program">The program that runs <see cref="OrtTrainingWorker"/>, and its first arguments.</param>
    /// <param name="library">The library's file.</param>
    /// <exception cref="ModelRefusedException">The library cannot be used.</exception>
    /// <exception cref="IOException">The program cannot be started.</exception>
    public static OrtTrainingProcess Start(IReadOnlyList<string> program, string library)
    {
        ArgumentNullException.ThrowIfNull(program);
        // Pipes of their own: a native library may print to standard output.
        AnonymousPipeServerStream requests = new(PipeDirection.Out, HandleInheritability.Inheritable);
        AnonymousPipeServerStream replies = new(PipeDirection.In, HandleInheritability.Inheritable);
        ProcessStartInfo start = new(program[0], [.. program.Skip(1), OrtTrainingWorker.Argument, requests.GetClientHandleAsString(), replies.GetClientHandleAsString()])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            Process process = Process.Start(start) ?? throw new IOException($"{program[0]} did not start.");
            OrtTrainingProcess started = new(process, requests, replies, library);
            requests.DisposeLocalCopyOfClientHandle();
            replies.DisposeLocalCopyOfClientHandle();
            return started.Load();
        }
        catch (Win32Exception failure)
        {
            throw new IOException($"The process of ONNX Runtime Training cannot be started: {failure.Message}", failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The worker ends by itself where its pipe does; a library that hangs must not hold up the trainer.
        try
        {
            _requests.Dispose();
        }
        catch (IOException)
        {
            // It has ended already.
        }
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
        {
            _process.Kill();
        }
        _replies.Dispose();
        _process.Dispose();
    }

    internal float[] Open(ArtifactSet artifacts, int threads) => Ask(OrtTrainingCall.Open, writer =>
    {
        writer.WriteArtifacts(artifacts);
        writer.Write(threads);
    }, OrtTrainingMessages.ReadFloats);

    internal float[][] TrainStep(IReadOnlyList<TensorData> inputs, bool reset) => Ask(OrtTrainingCall.TrainStep, writer =>
    {
        writer.Write(reset);
        writer.WriteTensors(inputs);
    }, ReadOutputs);

    internal float[][] EvalStep(IReadOnlyList<TensorData> inputs) => Ask(OrtTrainingCall.EvalStep, writer => writer.WriteTensors(inputs), ReadOutputs);

    internal float[] OptimizerStep() => Ask(OrtTrainingCall.OptimizerStep, Nothing, OrtTrainingMessages.ReadFloats);

    internal void WriteParameters(float[] all) => Ask(OrtTrainingCall.WriteParameters, writer => writer.WriteFloats(all), Nothing);

    internal void SaveCheckpoint(string path) => Ask(OrtTrainingCall.Save, writer => writer.Write(path), Nothing);

    internal long ReadPeakMemory() => Ask(OrtTrainingCall.PeakMemory, Nothing, reader => reader.ReadInt64());

    private OrtTrainingProcess Load()
    {
        try
        {
            RuntimeVersion = Ask(OrtTrainingCall.Load, writer => writer.Write(_library), reader => reader.ReadString());
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private T Ask<T>(OrtTrainingCall call, Action<BinaryWriter> write, Func<BinaryReader, T> read)
    {
        try
        {
            _requests.Write((byte)call);
            write(_requests);
            _requests.Flush();
            return (OrtTrainingReply)_replies.ReadByte() == OrtTrainingReply.Done ? read(_replies) : throw _replies.ReadRefusal();
        }
        catch (IOException end)
        {
            throw Ended(call, end);
        }
    }

    private ModelRefusedException Ended(OrtTrainingCall call, IOException end)
    {
        bool exited = _process.WaitForExit(TimeSpan.FromSeconds(5));
        string code = exited ? string.Create(CultureInfo.InvariantCulture, $"exit code {_process.ExitCode}") : end.Message;
        string errors;
        lock (_errors)
        {
            errors = string.Join("; ", _errors);
        }
        return new ModelRefusedException(
            "the process of ONNX Runtime Training ended by itself", _library, errors.Length == 0 ? $"{code} in {call}" : $"{code} in {call}: {errors}",
            OrtTrainingLibraryFile.Expected, "try another build of the library; without --engine the trainer needs none", end);
    }

    private void CollectError(string? line)
    {
        if (string.IsNullOrWhiteSpace(line))
        {
            return;
        }
        lock (_errors)
        {
            _errors.Enqueue(line);
            if (_errors.Count > MostErrorLines)
            {
                _errors.Dequeue();
            }
        }
    }

    private static float[][] ReadOutputs(BinaryReader reader) => [.. Enumerable.Range(0, reader.ReadInt32()).Select(_ => reader.ReadFloats())];

    private static void Nothing(BinaryWriter writer)
    {
    }

    private static bool Nothing(BinaryReader reader) => true;
}
