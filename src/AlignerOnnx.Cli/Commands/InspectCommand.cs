using System.CommandLine;
using System.Globalization;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner inspect</c>: what a model holds, which of its attention sites can be patched, and how large an adapter would be.</summary>
internal sealed class InspectCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<bool> _explain = new("--explain") { Description = "Show every layer, with the reason where it cannot be patched." };
    private readonly Option<int> _tokens = CommonOptions.Tokens();
    private readonly Option<int> _startLayer = CommonOptions.StartLayer();

    public InspectCommand() : base("inspect", "Show what is in a model, which attention sites it has, and how many parameters an adapter would train.")
    {
        Arguments.Add(_model);
        Options.Add(_explain);
        Options.Add(_tokens);
        Options.Add(_startLayer);
    }

    public override IReadOnlyList<string> Examples => ["aligner inspect models/pocket/model-int4", "aligner inspect models/pocket/model-int4 --explain", "aligner inspect models/pocket/model-int4 --json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        bool explain = parsed.GetValue(_explain);
        RecognisedModel recognised = RecognisedModel.Of(ModelLoader.LoadStructure(parsed.GetRequiredValue(_model)));
        Architecture? architecture = null;
        ModelRefusedException? refusal = null;
        try
        {
            architecture = Architecture.Of(recognised.RequireSites(explain), recognised.Model.Path!);
        }
        catch (ModelRefusedException refused)
        {
            // The report comes first: it is what the user needs to understand the refusal.
            refusal = refused;
        }
        InspectReport shown = InspectReport.Of(recognised, architecture, parsed.GetValue(_tokens), parsed.GetValue(_startLayer));
        output.Result(shown, report => Show(output, report, explain));
        if (shown.MissingFiles.Count > 0)
        {
            output.Message($"aligner: the weights in {string.Join(", ", shown.MissingFiles)} are missing: this is what the graph says of itself; every other command wants the whole model folder");
        }
        if (refusal is not null)
        {
            output.Message($"aligner: {refusal.Message}");
            return Task.FromResult(ExitCodes.ModelRefused);
        }
        return Task.FromResult(ExitCodes.Done);
    }

    private static void Show(CommandOutput output, InspectReport report, bool explain)
    {
        output.Line($"{report.Model}");
        output.Line($"  producer          {(report.Producer.Length == 0 ? "unknown" : report.Producer)}, IR {report.IrVersion}, opset {report.Opset}, {report.Nodes} nodes");
        if (report.Slots is not null)
        {
            output.Line($"  patched           {report.Slots}");
        }
        int patchable = report.Sites.Count(site => site.Patchable);
        output.Line($"  attention sites   {patchable} of {report.Sites.Count} can be patched{Forms(report)}");
        if (report.Architecture is { } sizes)
        {
            output.Line($"  sizes             hidden {sizes.HiddenSize}, {sizes.Layers} layers, {sizes.QueryHeads} query and {sizes.KeyValueHeads} key/value heads of {sizes.HeadSize}");
        }
        if (report.TrainableParameters is long parameters)
        {
            output.Line(string.Create(CultureInfo.InvariantCulture, $"  an adapter trains {parameters:N0} parameters ({report.Tokens} {Plural.Of("token", report.Tokens)}, layers {report.StartLayer} to {report.Sites.Count - 1})"));
        }
        output.Line($"  slot layouts      {string.Join(", ", report.Layouts.Where(layout => layout.Possible).Select(layout => layout.Name).DefaultIfEmpty("none"))}");
        if (explain)
        {
            output.Table(["layer", "form", "heads", "type", "projections", "patchable", "reason"], report.Sites.Select(site => site.Cells()));
        }
    }

    private static string Forms(InspectReport report) =>
        report.Sites.Count == 0 ? "" : $" ({string.Join(", ", report.Sites.Select(site => site.Form).Distinct())})";
}
