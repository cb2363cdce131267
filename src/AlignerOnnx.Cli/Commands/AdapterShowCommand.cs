using System.CommandLine;
using System.Numerics.Tensors;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter show</c>: where an adapter fits, how it was trained, and how large its gates are.</summary>
internal sealed class AdapterShowCommand : AlignerCommand
{
    private readonly Argument<string> _adapter = new("ADAPTER") { Description = "An adapter folder." };

    public AdapterShowCommand() : base("show", "Show where an adapter fits, how it was trained, and its gates layer by layer.") => Arguments.Add(_adapter);

    public override IReadOnlyList<string> Examples => ["aligner adapter show my-adapters/json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        Adapter adapter = AdapterPackage.Load(parsed.GetRequiredValue(_adapter));
        AdapterConfig config = adapter.Config;
        LayerGates[] gates = [.. Enumerable.Range(0, config.GatedLayers).Select(row => Gates(adapter, row))];
        double tokenNorm = TensorPrimitives.Norm(adapter.Tokens.Span) / Math.Sqrt(config.NumTokens);
        output.Result(new Report(config, adapter.Tokens.Length + adapter.Gates.Length, tokenNorm, gates), report =>
        {
            string gated = config.GatedLayers > 0 ? $", gates of {config.NumHeads} heads" : "";
            output.Line($"  {config.NumTokens} token(s) of {config.HiddenSize}{gated} in layers {config.StartLayer} to {config.NumLayers - 1}: {report.Parameters:N0} parameters, {config.Attention}");
            output.Line($"  base              {config.BaseModelNameOrPath} ({config.BaseFingerprint})");
            if (config.Training is { } training)
            {
                output.Line($"  training          {training.Recipe}; {training.Steps} steps, last loss {training.FinalLoss:f4}, evaluation loss {training.EvalLoss:f4}");
            }
            output.Line($"  norm of a token   {tokenNorm:f2} (a fresh one has {Math.Sqrt(config.HiddenSize):f2})");
            if (gates.Length > 0)
            {
                output.Table(["layer", "mean |gate|", "largest |gate|"], gates.Select(row => new[] { $"{row.Layer}", $"{row.MeanMagnitude:f4}", $"{row.LargestMagnitude:f4}" }));
            }
        });
        return Task.FromResult(ExitCodes.Done);
    }

    private static LayerGates Gates(Adapter adapter, int row)
    {
        ReadOnlySpan<float> gates = adapter.Gates.Span.Slice(row * adapter.Config.NumHeads, adapter.Config.NumHeads);
        return new LayerGates(adapter.Config.StartLayer + row, TensorPrimitives.SumOfMagnitudes(gates) / gates.Length, Math.Abs(TensorPrimitives.MaxMagnitude(gates)));
    }

    /// <summary>What <c>aligner adapter show --json</c> writes.</summary>
    private sealed record Report(AdapterConfig Config, int Parameters, double TokenNorm, IReadOnlyList<LayerGates> Gates);

    private sealed record LayerGates(int Layer, double MeanMagnitude, double LargestMagnitude);
}
