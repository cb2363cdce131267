using System.CommandLine;
using AlignerOnnx.GenAI;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench kernels</c>: what a step and a token of a prompt cost a server, with kernels of our own and with ONNX Runtime's.</summary>
internal sealed class BenchKernelsCommand : AlignerCommand
{
    private const string Headline = "a step of 8 answers";

    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 15, least: 1);
    private readonly Option<int> _threads = CommonOptions.Whole("--threads", "Threads of one operator; 1 gives the clearest processor times, 0 takes what the model says, or else all.", standard: 0, least: 0);

    public BenchKernelsCommand() : base("kernels", "A step of 1 to 16 answers with adapters of their own, and a prompt's token: kernels of our own against ONNX Runtime's, in wall and processor time.")
    {
        Arguments.Add(_model);
        Options.Add(_rounds);
        Options.Add(_threads);
    }

    public override IReadOnlyList<string> Examples => ["aligner bench kernels models/pocket/model-int4 --rounds 5 --threads 1"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        int rounds = parsed.GetValue(_rounds);
        IReadOnlyList<DecodingTime> times = DecodingBenchmark.Run(ModelCache.Patched(model, SlotLayout.OneToken), rounds, CommonOptions.NumberOrNull(parsed, _threads), cancellation);
        DecodingTime headline = times.Single(time => time.What == Headline);
        output.Result(new Report(model, headline.Ratio, headline.ControlRatio, rounds, PeakMemory.ReadBytes(), times), report => output.Table(
            ["what", "ms", "processor ms", "ONNX Runtime ms", "processor ms", "ratio", "control"], report.Times.Select(time => new[]
            {
                time.What, $"{time.Milliseconds:f2}", $"{time.ProcessorMilliseconds:f2}", $"{time.RuntimeMilliseconds:f2}", $"{time.RuntimeProcessorMilliseconds:f2}", $"{time.Ratio:f3}", $"{time.ControlRatio:f3}",
            })));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner bench kernels --json</c> writes; the ratio is processor time of a step of 8 answers, with our kernels against ONNX Runtime's.</summary>
    private sealed record Report(string Model, double Ratio, double ControlRatio, int Runs, long PeakMemoryBytes, IReadOnlyList<DecodingTime> Times);
}
