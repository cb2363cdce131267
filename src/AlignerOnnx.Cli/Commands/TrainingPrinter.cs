using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>What every method of <c>aligner train</c> says about its data and its result.</summary>
internal static class TrainingPrinter
{
    public static void Announce(CommandOutput output, DataReport data)
    {
        string shapes = string.Join(", ", data.Shapes.Select(shape => Text($"{shape.Value:N0} {shape.Key}")));
        output.Message(Text($"data: {data.Rows:N0} rows ({shapes}), {data.Tokens:N0} tokens, {data.CompletionTokens:N0} of them learnt; {data.Truncated:N0} rows cut, {data.Dropped.Count:N0} left out"));
        if (data.Truncated > 0)
        {
            output.Message(Text($"  cut {data.Truncated:N0} rows at the maximum length: {Places(data.FirstTruncated, data.Truncated)}"));
        }
        foreach (DroppedRows group in data.DroppedByReason)
        {
            output.Message(Text($"  left out {group.Rows:N0} rows: {group.Reason} ({Places(group.FirstPlaces, group.Rows)})"));
        }
    }

    private static string Places(IReadOnlyList<string> first, int all) => string.Join(", ", first) + (all > first.Count ? ", ..." : "");

    public static void Show(CommandOutput output, FineTuningReport made)
    {
        output.Line(made.Output);
        output.Line(Text($"  trained           {made.TrainableParameters:N0} parameters ({made.Tokens} {Plural.Of("token", made.Tokens)}, from layer {made.StartLayer}), {made.Steps:N0} {Plural.Of("step", made.Steps)} in {made.Seconds:F1} s"));
        if (made.EarlyStop is { } stop)
        {
            output.Line($"  stopped early     {stop.Message}");
        }
        output.Line(Text($"  final loss        {made.FinalLoss:F4}"));
        if (made.EvalLoss is double loss)
        {
            output.Line(Text($"  evaluation loss   {loss:F4} (step {made.BestStep})"));
        }
        if (made is { PreferenceAccuracy: double accuracy, Margin: double margin })
        {
            output.Line(Text($"  preferred         {accuracy:P1} of the pairs; {made.RewardAccuracy:P1} gained on the other answer, by {margin:0.000;-0.000;0.000} in reward (reference: {made.Reference})"));
        }
        if (made.SupervisedAdapter is string supervised)
        {
            output.Line($"  supervised stage  {supervised}");
        }
        output.Line(Text($"  first step after  {made.FirstStepSeconds:F1} s"));
        output.Line(Text($"  peak memory       {made.PeakMemoryBytes / 1e6:N0} MB"));
        output.Line($"  model card        {Path.Combine(made.Output, "README.md")}");
        output.Line($"  metrics           {made.Records.Metrics}");
        output.Line($"  loss curve        {made.Records.LossCurve}, {Path.GetFileName(made.Records.LossPicture)}");
        output.Line($"  TensorBoard       {made.Records.TensorBoard}");
        if (made.DrawingProblem is string problem)
        {
            output.Line($"  not written       {problem}");
        }
    }

    public static string Describe(LearningRatePoint point) => Text($"step {point.Step} of at most {new LearningRateRange().Steps}  learning rate {point.LearningRate:G3}  loss {point.Loss:F4}");

    /// <summary>The curve at every fifth step: enough to see where the loss falls and where it rises again.</summary>
    public static void Show(CommandOutput output, LearningRateReport found)
    {
        const int every = 5;
        output.Table(["learning rate", "loss, smoothed"], found.Points.Where(point => point.Step % every == 0)
            .Select(point => new[] { point.LearningRate.ToString("G3", CultureInfo.InvariantCulture), point.SmoothedLoss.ToString("F4", CultureInfo.InvariantCulture) }));
        output.Line(found.Suggestion is double rate ? Text($"  try --learning-rate {rate:G2}") : "  the loss fell at no rate: check the data, or try another --token-scale");
        output.Line($"  curve             {found.Curve}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
