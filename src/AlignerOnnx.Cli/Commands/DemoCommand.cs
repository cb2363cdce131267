using System.CommandLine;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner demo</c>: the whole path on the embedded model, with this run's own figures.</summary>
internal sealed class DemoCommand : AlignerCommand
{
    private readonly Option<AnswerForm> _form = new("--form")
    {
        Description = "The form of answers to teach.",
        HelpName = "json|polite|pirate|sentence",
        DefaultValueFactory = _ => AnswerForm.Json,
    };
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<int> _steps = CommonOptions.Whole("--steps", "Training steps; 0 takes the form's own number.", standard: 0, least: 0, most: 100_000);

    public DemoCommand() : base("demo", "Show the whole path on the embedded model: patch, train, compile and answer, in under a minute.")
    {
        _form.AcceptOnlyFromAmong([.. DemoOptions.Forms.Select(form => form.ToString().ToLowerInvariant())]);
        Options.Add(_form);
        Options.Add(_seed);
        Options.Add(_steps);
    }

    public override IReadOnlyList<string> Examples => ["aligner demo", "aligner demo --form pirate", "aligner demo --json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        int steps = parsed.GetValue(_steps);
        DemoOptions options = new(Path.Combine(AppContext.BaseDirectory, "pocket"), parsed.GetValue(_form), parsed.GetValue(_seed), steps == 0 ? null : steps);
        using DemoPrinter printer = new(output, options.Form);
        DemoResult result = PocketDemo.Run(options, printer, cancellation);
        output.Result(result, printer.Show);
        return Task.FromResult(ExitCodes.Done);
    }
}
