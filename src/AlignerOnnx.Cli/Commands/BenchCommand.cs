using System.CommandLine;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench</c>: paired ratios with a control, the only figures that a noisy machine gives.</summary>
internal sealed class BenchCommand : Command
{
    public BenchCommand() : base("bench", "Measure as paired ratios: decode with and without slots, compiling an adapter, a training step against a forward pass, ways to serve many clients, or the kernels of serving.")
    {
        Subcommands.Add(new DecodeCommand());
        Subcommands.Add(new BenchCompileCommand());
        Subcommands.Add(new BenchTrainingCommand());
        Subcommands.Add(new BenchServingCommand());
        Subcommands.Add(new BenchKernelsCommand());
    }

    private static void Show(CommandOutput output, IReadOnlyList<Measurement> measurements) =>
        output.Table(["what", "ratio", "control", "ms", "against ms", "runs"], measurements.Select(each => new[]
        {
            each.What, $"{each.Ratio:f3}", $"{each.ControlRatio:f3}", $"{each.Milliseconds:f2}", $"{each.AgainstMilliseconds:f2}", $"{each.Runs}",
        }));

    private static Measurement Of(string what, PairedResult result) => new(what, result.Ratio, result.ControlRatio, result.SecondMilliseconds, result.FirstMilliseconds, result.Runs);

    /// <summary>One measured ratio; the control is the ratio of the reference to itself.</summary>
    private sealed record Measurement(string What, double Ratio, double ControlRatio, double Milliseconds, double AgainstMilliseconds, int Runs);

    /// <summary>What <c>aligner bench --json</c> writes: the headline figures, and all of them.</summary>
    private sealed record Report(string Model, double Ratio, double ControlRatio, int Runs, long PeakMemoryBytes, IReadOnlyList<Measurement> Measurements);

    private static Report Summary(string model, params IReadOnlyList<Measurement> all) => new(model, all[^1].Ratio, all[^1].ControlRatio, all[^1].Runs, PeakMemory.ReadBytes(), all);

    private sealed class DecodeCommand : AlignerCommand
    {
        private readonly Argument<string> _model = CommonOptions.Model();
        private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 150, least: 1);

        public DecodeCommand() : base("decode", "One token behind 128 cached ones: the patched model, without and with an adapter, against the base model.")
        {
            Arguments.Add(_model);
            Options.Add(_rounds);
        }

        public override IReadOnlyList<string> Examples => ["aligner bench decode models/pocket/model-int4 --rounds 20"];

        protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
        {
            string model = parsed.GetRequiredValue(_model);
            (PairedResult patched, PairedResult adapted) = DecodeBenchmark.Run(model, parsed.GetValue(_rounds), cancellation);
            output.Result(Summary(model, Of("patched / base", patched), Of("patched with adapter / base", adapted)), report => Show(output, report.Measurements));
            return Task.FromResult(ExitCodes.Done);
        }
    }
}
