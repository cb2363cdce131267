using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.Training;

/// <summary>What it costs to compile an adapter of one token for a model that is loaded, against one decode step of that model.</summary>
public static class CompileBenchmark
{
    private const int PastLength = 128;
    private const int WarmUps = 40;

    /// <summary>Measures.</summary>
    /// <param name="model">The base model.</param>
    /// <param name="rounds">Counted rounds.</param>
    /// <param name="cancellation">Stops between rounds.</param>
    /// <returns>Compiling against a step behind 128 cached tokens, and the processor time of compiling, of all threads together, in milliseconds (the median).</returns>
    public static (PairedResult AgainstStep, double ProcessorMilliseconds) Run(string model, int rounds, CancellationToken cancellation = default)
    {
        CompilationTarget target = CompilationTarget.Of(model);
        Adapter adapter = Sample(target);
        using DecoderSession session = new(ModelLoader.Load(model));
        using DecoderSession control = new(ModelLoader.Load(model));
        long[] prompt = [.. Enumerable.Range(0, PastLength).Select(i => (long)(i % 97) + 3)];
        using DecoderSession.Step past = session.Run(prompt, 1);
        using DecoderSession.Step controlPast = control.Run(prompt, 1);
        List<double> processor = [];
        void Compile()
        {
            TimeSpan before = Environment.CpuUsage.TotalTime;
            _ = AdapterCompiler.Parameters(adapter, target.Sites, SlotLayout.OneToken);
            processor.Add((Environment.CpuUsage.TotalTime - before).TotalMilliseconds);
        }
        PairedResult result = PairedBenchmark.Run(() => session.Run([5], 1, past).Dispose(), () => control.Run([5], 1, controlPast).Dispose(), Compile, rounds, WarmUps, cancellation);
        return (result, PairedBenchmark.Median(processor.Skip(WarmUps)));
    }

    private static Adapter Sample(CompilationTarget target)
    {
        AdapterConfig config = Adapter.Describe(target.Sites, "the model", startLayer: 0, tokens: 1);
        return new Adapter(config, Numbers(config.HiddenSize), Numbers(config.NumLayers * config.NumHeads));
    }

    private static float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(i => 0.01f * ((i % 7) - 3))];
}
