using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner bench training</c>: a training step against a forward pass over the same batch, one case or all of them.</summary>
internal sealed class BenchTrainingCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<int> _rounds = CommonOptions.Whole("--rounds", "Counted rounds.", standard: 9, least: 1);
    private readonly Option<int> _rows = CommonOptions.Whole("--rows", "Rows of a batch.", standard: 4, least: 1);
    private readonly Option<int> _length = CommonOptions.Whole("--length", "Tokens of a row; the second half is the completion.", standard: 64, least: 4);
    private readonly Option<bool> _mixed = new("--mixed") { Description = "Rows of a quarter, a half, three quarters and all of that length in turn." };
    private readonly Option<bool> _pack = new("--pack") { Description = "Let short rows share a line." };
    private readonly Option<int> _tokens = CommonOptions.Tokens();
    private readonly Option<bool> _recompute = CommonOptions.Recompute();
    private readonly Option<bool> _float32 = new("--float32") { Description = "De-quantise the model's projections first, to compare with a model of float32." };
    private readonly Option<string> _engine = CommonOptions.Engine();
    private readonly Option<ComputeDevice> _device = CommonOptions.Device();
    private readonly Option<string?> _ortTrainingLibrary = CommonOptions.OrtTrainingLibrary();
    private readonly Option<bool> _table = new("--table") { Description = "Measure all cases, each in a process of its own; ONNX Runtime Training too where --ort-training-library names it." };

    public BenchTrainingCommand() : base("training", "One training step (loss and gradients) against a forward pass over the same batch.")
    {
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_rounds, _rows, _length, _mixed, _pack, _tokens, _recompute, _float32, _engine, _device, _ortTrainingLibrary, _table])
        {
            Options.Add(option);
        }
        Validators.Add(parsed => CommonOptions.RequirePlainEngine(parsed, _device, _engine));
        Validators.Add(parsed =>
        {
            // The table names the engine of each case itself.
            if (parsed.GetResult(_table) is null or { Implicit: true } || string.Equals(CommonOptions.Typed(parsed, _table), "false", StringComparison.OrdinalIgnoreCase))
            {
                CommonOptions.RequireOrtTraining(parsed, _ortTrainingLibrary, _engine);
            }
        });
    }

    public override IReadOnlyList<string> Examples => ["aligner bench training models/pocket/model-int4 --rounds 3"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation) =>
        parsed.GetValue(_table) ? MeasureAllAsync(parsed, output, cancellation) : Task.FromResult(MeasureOne(parsed, output, cancellation));

    private int MeasureOne(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        TrainingStepCase what = new()
        {
            Rows = parsed.GetValue(_rows),
            Length = parsed.GetValue(_length),
            Mixed = parsed.GetValue(_mixed),
            Pack = parsed.GetValue(_pack),
            Tokens = parsed.GetValue(_tokens),
            Recompute = parsed.GetValue(_recompute),
            Float32 = parsed.GetValue(_float32),
            OrtTraining = parsed.GetValue(_engine) == CommonOptions.OrtTrainingEngine,
            Device = parsed.GetValue(_device),
        };
        using OrtTrainingProcess? ortTraining = what.OrtTraining ? OrtTrainingProcess.Start(AlignerTool.StartAgain, OrtTrainingLibraryFile.Find(parsed.GetValue(_ortTrainingLibrary))) : null;
        TrainingStepResult result = TrainingStepBenchmark.Run(model, what, parsed.GetValue(_rounds), ortTraining, cancellation);
        output.Result(Report.Of(model, what, result), report => Show(output, [report]));
        return ExitCodes.Done;
    }

    private async Task<int> MeasureAllAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string model = parsed.GetRequiredValue(_model);
        string? library = parsed.GetValue(_ortTrainingLibrary);
        string[] program = [.. AlignerTool.StartAgain, "bench", "training", model, "--rounds", parsed.GetValue(_rounds).ToString(CultureInfo.InvariantCulture)];
        List<Report> reports = [];
        bool quantised = ModelLoader.Load(model).Graph.Nodes.Any(node => node.Is("MatMulNBits", Domains.Microsoft));
        foreach (TrainingStepCase what in TrainingStepTable.Cases(quantised, library is not null))
        {
            output.Message($"measuring {what}");
            string[] engine = what.OrtTraining ? ["--ort-training-library", library!] : [];
            JsonElement document = await TrainingStepTable.MeasureAsync([.. program, .. engine], what with { Tokens = parsed.GetValue(_tokens) }, cancellation).ConfigureAwait(false);
            Report report = document.Deserialize<Report>(CommandOutput.DocumentFormat)!;
            // Said at once: all cases take minutes, and who stops them keeps what was measured.
            output.Message($"  step / forward {report.Ratio:f2} (control {report.ControlRatio:f2}), {report.StepMilliseconds:f0} ms, {report.TokensPerSecond:f0} tokens/s, {report.PeakMemoryBytes / 1e6:f0} MB");
            reports.Add(report);
        }
        output.Result(reports, all => Show(output, all));
        return ExitCodes.Done;
    }

    private static void Show(CommandOutput output, IReadOnlyList<Report> reports) => output.Table(
        ["weights", "engine", "batch", "activations", "step / forward", "control", "step, ms", "forward, ms", "tokens/s", "peak memory, MB"],
        reports.Select(each => new[]
        {
            each.Case.Float32 ? "float32" : "as stored",
            each.Case.OrtTraining ? CommonOptions.OrtTrainingEngine : "onnxruntime",
            $"{each.Case.Rows} x {(each.Case.Mixed ? "up to " : "")}{each.Case.Length}{(each.Case.Pack ? ", packed" : "")}",
            each.Case.Recompute ? "recomputed" : "kept",
            $"{each.Ratio:f2}", $"{each.ControlRatio:f2}", $"{each.StepMilliseconds:f0}", $"{each.ForwardMilliseconds:f0}", $"{each.TokensPerSecond:f0}", $"{each.PeakMemoryBytes / 1e6:f0}",
        }));

    /// <summary>What <c>aligner bench training --json</c> writes.</summary>
    private sealed record Report(
        string Model, TrainingStepCase Case, double Ratio, double ControlRatio, int Runs, double StepMilliseconds, double ForwardMilliseconds, double TokensPerSecond, long PeakMemoryBytes)
    {
        public static Report Of(string model, TrainingStepCase what, TrainingStepResult result) => new(
            model, what, result.Step.Ratio, result.Step.ControlRatio, result.Step.Runs, result.Step.SecondMilliseconds, result.Step.FirstMilliseconds, result.TokensPerSecond, result.PeakMemoryBytes);
    }
}
