using System.CommandLine;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench serving</c>: ways to answer many clients with adapters of their own.</summary>
internal sealed class BenchServingCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 5, least: 1);
    private readonly Option<int> _prompt = CommonOptions.Whole("--prompt", "Tokens of a prompt.", standard: 48, least: 1);
    private readonly Option<int> _batches = CommonOptions.Batches();
    private readonly Option<bool> _batchOnly = new("--batch-only") { Description = "Leave out generators and waves, which take most of the time." };

    public BenchServingCommand() : base("serving", "1, 4, 8 and 16 clients with different adapters: the continuous batch against one adapter for all, a generator a request, and a generator a wave of requests.")
    {
        Arguments.Add(_model);
        Options.Add(_rounds);
        Options.Add(_prompt);
        Options.Add(_batches);
        Options.Add(_batchOnly);
    }

    public override IReadOnlyList<string> Examples => ["aligner bench serving models/pocket/model-int4 --rounds 2", "aligner bench serving models/pocket/model-int4 --prompt 16 --batch-only"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        ServingComparison found = ServingBenchmark.Run(model, parsed.GetValue(_rounds), parsed.GetValue(_prompt), parsed.GetValue(_batchOnly), CommonOptions.NumberOrNull(parsed, _batches), cancellation);
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
