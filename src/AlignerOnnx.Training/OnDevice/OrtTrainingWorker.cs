using System.IO.Pipes;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Training;

/// <summary>
/// The process that holds the native library of ONNX Runtime Training, and no other ONNX Runtime: two of them in one process share names, and what this one does to its
/// process leaves the trainer's state alone. It does what <see cref="OrtTrainingProcess"/> asks, until that ends.
/// </summary>
public static class OrtTrainingWorker
{
    /// <summary>The first argument of a program that is to call <see cref="Run"/> with the two that follow.</summary>
    public const string Argument = "ort-training-worker";

    /// <summary>Serves one trainer.</summary>
    /// <param name="requestPipe">The handle of the pipe to read.</param>
    /// <param name="replyPipe">The handle of the pipe to write.</param>
    /// <returns>The exit code of the process: 0.</returns>
    public static int Run(string requestPipe, string replyPipe)
    {
        // Ctrl-C reaches every process of the terminal; the trainer still wants the state of its last step from this one.
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        using AnonymousPipeClientStream requests = new(PipeDirection.In, requestPipe);
        using AnonymousPipeClientStream replies = new(PipeDirection.Out, replyPipe);
        Serve(requests, replies);
        return 0;
    }

    private static void Serve(Stream requests, Stream replies)
    {
        using BinaryReader reader = new(new BufferedStream(requests));
        using BinaryWriter writer = new(new BufferedStream(replies));
        string library = "";
        OrtTrainingSession? session = null;
        try
        {
            while (reader.ReadByte() is byte call)
            {
                Answer(writer, () => Do((OrtTrainingCall)call, reader, ref library, ref session));
            }
        }
        catch (Exception end) when (end is EndOfStreamException or IOException)
        {
            // The trainer has ended, and with it the work.
        }
        finally
        {
            session?.Dispose();
        }
    }

    /// <summary>Does one call; what it gives writes the reply.</summary>
    private static Action<BinaryWriter> Do(OrtTrainingCall call, BinaryReader reader, ref string library, ref OrtTrainingSession? session)
    {
        switch (call)
        {
            case OrtTrainingCall.Load:
                library = reader.ReadString();
                string version = OrtTrainingLibrary.Load(library).Version;
                return writer => writer.Write(version);
            case OrtTrainingCall.Open:
                (ArtifactSet artifacts, int threads) = (reader.ReadArtifacts(), reader.ReadInt32());
                session?.Dispose();
                session = null;
                session = new OrtTrainingSession(library, artifacts, threads);
                return Parameters(session);
            case OrtTrainingCall.TrainStep:
                bool reset = reader.ReadBoolean();
                TensorData[] trained = reader.ReadTensors();
                if (reset)
                {
                    session!.ResetGradients();
                }
                return Outputs(session!.TrainStep(trained));
            case OrtTrainingCall.EvalStep:
                return Outputs(session!.EvalStep(reader.ReadTensors()));
            case OrtTrainingCall.OptimizerStep:
                session!.OptimizerStep();
                return Parameters(session);
            case OrtTrainingCall.WriteParameters:
                session!.WriteParameters(reader.ReadFloats());
                return Nothing;
            case OrtTrainingCall.Save:
                session!.SaveCheckpoint(reader.ReadString());
                return Nothing;
            case OrtTrainingCall.PeakMemory:
                return writer => writer.Write(PeakMemory.ReadBytes());
            default:
                throw new InvalidOperationException($"{call} is no call.");
        }
    }

    private static void Nothing(BinaryWriter writer)
    {
    }

    private static Action<BinaryWriter> Parameters(OrtTrainingSession session)
    {
        float[] all = session.ReadParameters();
        return writer => writer.WriteFloats(all);
    }

    private static Action<BinaryWriter> Outputs(float[][] outputs) => writer =>
    {
        writer.Write(outputs.Length);
        Array.ForEach(outputs, writer.WriteFloats);
    };

    private static void Answer(BinaryWriter writer, Func<Action<BinaryWriter>> work)
    {
        try
        {
            Action<BinaryWriter> reply = work();
            writer.Write((byte)OrtTrainingReply.Done);
            reply(writer);
        }
        catch (RefusedException refusal)
        {
            writer.Write((byte)OrtTrainingReply.Refused);
            writer.WriteRefusal(refusal);
        }
        writer.Flush();
    }
}
