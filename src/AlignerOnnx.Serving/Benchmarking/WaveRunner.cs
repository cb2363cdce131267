using System.Diagnostics;
using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntimeGenAI;
using Onnx;

namespace AlignerOnnx.Serving;

/// <summary>
/// The other way to give each row of a batch its own adapter: one GenAI generator for a wave of requests, formed anew when the last answer of the wave has ended. GenAI gives an
/// adapter to a whole generator and ignores values for inputs that have a default, so the slot becomes a required input here: [b, L, d], a row for each request.
/// </summary>
internal sealed class WaveRunner : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("aligner-waves-").FullName;
    private readonly Model _model;
    private readonly IReadOnlyList<float[]> _deltas;
    private readonly long[] _shape;

    internal WaveRunner(string patched, IReadOnlyList<float[]> deltas)
    {
        _deltas = deltas;
        OnnxModel model = ModelLoader.Load(patched);
        _shape = [.. model.Graph.Find(OneTokenInjection.Slot)!.Initializer!.Shape];
        foreach (string file in Directory.EnumerateFiles(patched).Where(file => file != model.Path))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }
        ModelProto required = model.ToProto();
        required.Graph.Initializer.Remove(required.Graph.Initializer.Single(tensor => tensor.Name == OneTokenInjection.Slot));
        File.WriteAllBytes(Path.Combine(_folder, Path.GetFileName(model.Path!)), required.ToByteArray());
        _model = new Model(_folder);
    }

    internal RoundResult Run(Workload work)
    {
        long started = Stopwatch.GetTimestamp();
        List<double> firstTokens = [];
        long asked = started;
        foreach ((int[] Prompt, int Answer)[] wave in work.Requests.Chunk(work.Clients))
        {
            firstTokens.AddRange(Wave(wave, asked));
            asked = Stopwatch.GetTimestamp();
        }
        return RoundResult.Of(work, Stopwatch.GetElapsedTime(started), firstTokens);
    }

    public void Dispose()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>All answers grow until the longest one is whole; those that are shorter have ended for their readers.</summary>
    private double[] Wave((int[] Prompt, int Answer)[] requests, long asked)
    {
        int length = requests[0].Prompt.Length;
        int longest = requests.Max(request => request.Answer);
        float[] values = [.. Enumerable.Range(0, requests.Length).SelectMany(client => _deltas[client])];
        GCHandle pinned = GCHandle.Alloc(values, GCHandleType.Pinned);
        try
        {
            using GeneratorParams parameters = new(_model);
            parameters.SetSearchOption("batch_size", requests.Length);
            parameters.SetSearchOption("max_length", length + longest);
            // No answer ends by itself.
            parameters.SetSearchOption("min_length", length + longest);
            using Generator generator = new(_model, parameters);
            using Microsoft.ML.OnnxRuntimeGenAI.Tensor delta = new(pinned.AddrOfPinnedObject(), [requests.Length, _shape[1], _shape[2]], ElementType.float32);
            generator.SetModelInput(OneTokenInjection.Slot, delta);
            generator.AppendTokens([.. requests.SelectMany(request => request.Prompt)]);
            double first = 0;
            for (int step = 0; step < longest; step++)
            {
                generator.GenerateNextToken();
                first = step == 0 ? Stopwatch.GetElapsedTime(asked).TotalMilliseconds : first;
            }
            return [.. Enumerable.Repeat(first, requests.Length)];
        }
        finally
        {
            pinned.Free();
        }
    }
}
