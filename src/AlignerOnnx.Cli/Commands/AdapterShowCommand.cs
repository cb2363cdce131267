using System.CommandLine;
using System.Globalization;
using System.Numerics.Tensors;
using System.Text;
using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter show</c>: where an adapter fits, how it was trained, and what it does: gates, strength in each layer, likeness to others.</summary>
internal sealed class AdapterShowCommand : AlignerCommand
{
    private readonly Argument<string[]> _adapters = new("ADAPTER") { Description = "An adapter folder; with several, the first is shown and all are compared.", Arity = ArgumentArity.OneOrMore };
    private readonly Option<string?> _model = new("--model", "-m") { Description = "The adapter's model: shows how strong the adapter is in each layer, measured on sample prompts.", HelpName = "MODEL" };
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<string?> _svg = new("--svg") { Description = "Draw the gates into this file.", HelpName = "FILE" };

    public AdapterShowCommand() : base("show", "Show where an adapter fits, how it was trained, its gates, and with its model what it adds to each layer.")
    {
        Arguments.Add(_adapters);
        Options.Add(_model);
        Options.Add(_anyBase);
        Options.Add(_svg);
    }

    public override IReadOnlyList<string> Examples => ["aligner adapter show my-adapters/json", "aligner adapter show my-adapters/json my-adapters/pirate --model models/pocket/model-int4"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        (string Name, Adapter Adapter)[] adapters = [.. parsed.GetRequiredValue(_adapters).Select(folder => (folder, AdapterPackage.Load(folder)))];
        (string name, Adapter adapter) = adapters[0];
        HeatMap map = HeatMap.OfGates(adapter);
        if (parsed.GetValue(_svg) is string svg)
        {
            AtomicOutput.WriteFile(svg, stream => stream.Write(Encoding.UTF8.GetBytes(map.ToSvg($"{Path.GetFileName(Path.TrimEndingDirectorySeparator(name))}: gates"))));
        }
        AdapterInsight? insight = parsed.GetValue(_model) is string model ? AdapterInsight.Of(model, adapters, parsed.GetValue(_anyBase)) : null;
        Report report = new(adapter.Config, adapter.Tokens.Length + adapter.Gates.Length, TensorPrimitives.Norm(adapter.Tokens.Span) / Math.Sqrt(adapter.Config.NumTokens),
            [.. map.Rows.Select((_, row) => Gates(map, row, adapter.Config.StartLayer))], insight?.Strengths, insight?.Similarities ?? AdapterSimilarity.OfAll(adapters, sites: null));
        output.Result(report, shown => Show(output, shown, map));
        return Task.FromResult(ExitCodes.Done);
    }

    private static LayerGates Gates(HeatMap map, int row, int startLayer)
    {
        float[] gates = [.. Enumerable.Range(0, map.Columns).Select(head => map.At(row, head))];
        return new LayerGates(startLayer + row, TensorPrimitives.SumOfMagnitudes<float>(gates) / gates.Length, Math.Abs(TensorPrimitives.MaxMagnitude<float>(gates)), gates);
    }

    private static void Show(CommandOutput output, Report report, HeatMap map)
    {
        AdapterConfig config = report.Config;
        string gated = config.GatedLayers > 0 ? $", gates of {config.NumHeads} heads" : "";
        output.Line($"  {config.NumTokens} {Plural.Of("token", config.NumTokens)} of {config.HiddenSize}{gated} in layers {config.StartLayer} to {config.NumLayers - 1}: {report.Parameters:N0} parameters, {config.Attention}");
        output.Line($"  base              {(config.BaseFingerprint.Length > 0 ? $"{config.BaseModelNameOrPath} ({config.BaseFingerprint})" : "not known; it fits with --any-base")}");
        if (config.Training is { } training)
        {
            string steps = training.Steps > 0 ? $"; {training.Steps} {Plural.Of("step", training.Steps)}, last loss {Number(training.FinalLoss)}, evaluation loss {Number(training.EvalLoss)}" : "";
            output.Line($"  training          {training.Recipe}{steps}");
        }
        output.Line($"  norm of a token   {report.TokenNorm:f2} (a fresh one has {Math.Sqrt(config.HiddenSize):f2})");
        if (report.Gates.Count > 0)
        {
            output.Table(["layer", "mean |gate|", "largest |gate|"], report.Gates.Select(row => new[] { $"{row.Layer}", $"{row.MeanMagnitude:f4}", $"{row.LargestMagnitude:f4}" }));
            HeatMapPrinter.Show(output, map);
        }
        if (report.Strengths is not null)
        {
            output.Table(["layer", "attention output", "folded vector", "ratio"], report.Strengths.Select(layer => new[] { $"{layer.Layer}", Number(layer.OutputNorm), Number(layer.FoldedNorm), Number(layer.Ratio) }));
        }
        if (report.Similarities.Count > 0)
        {
            output.Table(["adapters", "tokens", "gates", "folded"], report.Similarities.Select(pair => new[] { $"{pair.First} and {pair.Second}", Number(pair.Tokens), Number(pair.Gates), Number(pair.Folded) }));
        }
    }

    private static string Number(double? value) => value?.ToString("f4", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>What <c>aligner adapter show --json</c> writes.</summary>
    private sealed record Report(
        AdapterConfig Config, int Parameters, double TokenNorm, IReadOnlyList<LayerGates> Gates, IReadOnlyList<LayerStrength>? Strengths, IReadOnlyList<AdapterSimilarity> Similarities);

    private sealed record LayerGates(int Layer, double MeanMagnitude, double LargestMagnitude, IReadOnlyList<float> Values);
}
