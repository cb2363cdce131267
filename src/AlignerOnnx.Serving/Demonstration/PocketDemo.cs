using System.Diagnostics;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The whole path on the embedded model: patch, answer, train, compile, answer again. Everything it makes goes to a temporary folder that is removed.</summary>
public static class PocketDemo
{
    private const string AdapterName = "demo";
    private const int Pairs = 5;

    /// <summary>Runs the demonstration.</summary>
    /// <param name="options">What to show.</param>
    /// <param name="watcher">Is told of each part as it ends; null for nobody.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <returns>What was measured.</returns>
    /// <exception cref="AlignerOnnx.Graph.RefusedException">The embedded model or its data are damaged or missing.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DemoResult Run(DemoOptions options, IDemoWatcher? watcher = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        string folder = Directory.CreateTempSubdirectory("aligner-demo-").FullName;
        try
        {
            return Run(options, folder, watcher, cancellation);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static DemoResult Run(DemoOptions options, string folder, IDemoWatcher? watcher, CancellationToken cancellation)
    {
        Stopwatch clock = Stopwatch.StartNew();
        HeldOutQuestions held = HeldOutQuestions.Read(options.Rows("eval"), options.Facts);
        string patched = Path.Combine(folder, "patched");
        PatchFacts facts = ModelPatcher.Patch(options.Model, patched);
        watcher?.Patched(facts.Architecture.Layers, facts.Slots[0].Name);

        using ChatModel model = new(patched);
        (AnswerMeasure before, IReadOnlyList<string> baseAnswers) = held.Measure(model, null, options.Form, options.Seed, cancellation);
        watcher?.MeasuredBase(before);

        (FineTuningReport training, string compiled) = TrainAndCompile(options, folder, watcher, cancellation);
        long bytes = new FileInfo(compiled).Length;
        watcher?.Compiled(training, bytes);

        model.LoadAdapter(AdapterName, compiled);
        (AnswerMeasure after, IReadOnlyList<string> adapted) = held.Measure(model, AdapterName, options.Form, options.Seed, cancellation);
        AnswerPair[] pairs = [.. held.Questions.Select((question, row) => new AnswerPair(question, baseAnswers[row], adapted[row])).Take(Pairs)];
        return new DemoResult(options.Form, options.Seed, held.Questions.Count, before, training, after, bytes, pairs, clock.Elapsed.TotalSeconds);
    }

    private static (FineTuningReport Training, string Compiled) TrainAndCompile(DemoOptions options, string folder, IDemoWatcher? watcher, CancellationToken cancellation)
    {
        FineTuningRequest request = new()
        {
            Model = options.Model,
            ModelName = "pocket/model-int4",
            Data = options.Rows("train"),
            Evaluation = options.Rows("eval"),
            Output = Path.Combine(folder, "adapter"),
            Options = options.Recipe,
        };
        FineTuningReport training = SupervisedFineTuning.Run(request, null, watcher is null ? null : watcher.Trained, cancellation);
        string compiled = Path.Combine(folder, "demo.onnx_adapter");
        AdapterCompiler.Compile(AdapterPackage.Load(request.Output), options.Model, compiled);
        return (training, compiled);
    }
}
