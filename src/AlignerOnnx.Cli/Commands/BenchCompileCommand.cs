using System.CommandLine;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench compile</c>: what loading an adapter costs a server.</summary>
internal sealed class BenchCompileCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 50, least: 1);

    public BenchCompileCommand() : base("compile", "Compiling an adapter of one token for a model that is loaded, against one decode step of it.")
    {
        Arguments.Add(_model);
        Options.Add(_rounds);
    }

    public override IReadOnlyList<string> Examples => ["aligner bench compile models/pocket/model-int4 --rounds 20"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        (PairedResult step, double processor) = CompileBenchmark.Run(model, parsed.GetValue(_rounds), cancellation);
        output.Result(new Report(model, step.Ratio, step.ControlRatio, step.Runs, step.SecondMilliseconds, processor, step.FirstMilliseconds), report => output.Line(
            $"compile / decode step: {report.Ratio:f2} (control {report.ControlRatio:f2}); compile {report.CompileMilliseconds:f1} ms, {report.ProcessorMilliseconds:f1} ms of processor time; step {report.StepMilliseconds:f1} ms; {report.Runs} rounds"));
        return Task.FromResult(ExitCodes.Done);
    }

    /// <summary>What <c>aligner bench compile --json</c> writes; the ratio is compiling against a decode step.</summary>
    private sealed record Report(string Model, double Ratio, double ControlRatio, int Runs, double CompileMilliseconds, double ProcessorMilliseconds, double StepMilliseconds);
}
