using System.CommandLine;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench</c>: paired ratios with a control, the only figures that a noisy machine gives.</summary>
internal sealed class BenchCommand : Command
{
    public BenchCommand() : base("bench", "Measure as paired ratios: decode with and without slots, a training step against a forward pass, or ways to serve many clients.")
    {
        Subcommands.Add(new DecodeCommand());
        Subcommands.Add(new TrainingCommand());
        Subcommands.Add(new ServingCommand());
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

    private sealed class TrainingCommand : AlignerCommand
    {
        private readonly Argument<string> _model = CommonOptions.Model();
        private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 9, least: 1);
        private readonly Option<int> _rows = CommonOptions.Whole("--rows", "Rows of a batch.", standard: 4, least: 1);
        private readonly Option<int> _length = CommonOptions.Whole("--length", "Tokens of a row.", standard: 64, least: 4);
        private readonly Option<int> _tokens = CommonOptions.Tokens();
        private readonly Option<bool> _recompute = CommonOptions.Recompute();

        public TrainingCommand() : base("training", "One training step (loss and gradients) against a forward pass over the same batch.")
        {
            Arguments.Add(_model);
            Options.Add(_rounds);
            Options.Add(_rows);
            Options.Add(_length);
            Options.Add(_tokens);
            Options.Add(_recompute);
        }

        public override IReadOnlyList<string> Examples => ["aligner bench training models/pocket/model-int4 --rounds 3"];

        protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
        {
            string model = parsed.GetRequiredValue(_model);
            PairedResult result = TrainingStepBenchmark.Run(model, parsed.GetValue(_rows), parsed.GetValue(_length), parsed.GetValue(_tokens), parsed.GetValue(_rounds), parsed.GetValue(_recompute), cancellation);
            output.Result(Summary(model, Of("training step / forward", result)), report => Show(output, report.Measurements));
            return Task.FromResult(ExitCodes.Done);
        }
    }

    private sealed class ServingCommand : AlignerCommand
    {
        private readonly Argument<string> _model = CommonOptions.Model();
        private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 5, least: 1);

        public ServingCommand() : base("serving", "1, 4, 8 and 16 clients with different adapters: the continuous batch against one adapter for all, a generator a request, and a generator a wave of requests.")
        {
            Arguments.Add(_model);
            Options.Add(_rounds);
        }

        public override IReadOnlyList<string> Examples => ["aligner bench serving models/pocket/model-int4 --rounds 2"];

        protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
        {
            string model = parsed.GetRequiredValue(_model);
            ServingComparison found = ServingBenchmark.Run(model, parsed.GetValue(_rounds), cancellation);
            output.Result(new ServingReport(model, found.DifferentAdapters, found.Control, found.Runs, found.EightClients, PeakMemory.ReadBytes(), found.Lines), report =>
            {
                output.Table(["clients", "way", "tokens/s", "first token ms", "batch / it"], report.Lines.Select(line => new[]
                {
                    $"{line.Clients}", line.Way, $"{line.TokensPerSecond:f0}", $"{line.FirstTokenMilliseconds:f0}", $"{line.BatchAgainstIt:f2}",
                }));
                output.Line($"4 different adapters / one adapter: {report.Ratio:f3} (control {report.ControlRatio:f3}); 8 clients / 1 client: {report.EightClients:f2}; {report.Runs} rounds");
            });
            return Task.FromResult(ExitCodes.Done);
        }

        /// <summary>What <c>aligner bench serving --json</c> writes; the ratio is 4 different adapters against one for all.</summary>
        private sealed record ServingReport(string Model, double Ratio, double ControlRatio, int Runs, double EightClients, long PeakMemoryBytes, IReadOnlyList<ServingLine> Lines);
    }
}
