using System.Globalization;
using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>Shows a running demonstration as text.</summary>
internal sealed class DemoPrinter(CommandOutput output, AnswerForm form) : IDemoWatcher, IDisposable
{
    private readonly TrainingProgressLine _progress = new(output);

    public void Patched(int sites, string slot) =>
        output.Line($"1. Patched the embedded model (1.2 M parameters, int4): slot {slot} at {sites} attention sites. The base model is only read.");

    public void MeasuredBase(AnswerMeasure before)
    {
        output.Line();
        output.Line("2. Without an adapter it answers held-out questions in mixed forms (drawn at temperature 1):");
        output.Table(["question", "answer", "form"], before.Samples.Select(sample => new[] { sample.Question, OneLine(sample.Answer), Name(sample.Form) }));
        output.Line($"   forms: {string.Join(", ", before.DrawnForms.OrderByDescending(pair => pair.Value).Select(pair => $"{Name(pair.Key)} {pair.Value}"))}");
        output.Line();
        output.Line($"3. Training one token to answer as {Name(form)}:");
    }

    public void Trained(TrainingProgress progress) => _progress.Report(progress);

    public void Compiled(FineTuningReport training, long adapterBytes)
    {
        _progress.Finish();
        output.Line(Text($"   {training.TrainableParameters} numbers, {training.Steps} {Plural.Of("step", training.Steps)} in {training.Seconds:F1} s, loss on held-out rows {training.EvalLoss:F4}"));
        output.Line();
        output.Line(Text($"4. Compiled the adapter for ONNX Runtime GenAI: {adapterBytes:N0} bytes. Greedy answers without and with it:"));
    }

    public void Show(DemoResult result)
    {
        output.Table(["question", "without", "with the adapter"], result.Answers.Select(pair => new[] { pair.Question, OneLine(pair.Base), OneLine(pair.WithAdapter) }));
        output.Line(Text($"On {result.HeldOutRows} held-out questions:"));
        output.Table(["", "without", "with the adapter"],
        [
            [$"in the form {Name(form)}", Percent(result.Before.FormRate), Percent(result.After.FormRate)],
            ["right fact", Percent(result.Before.FactAccuracy), Percent(result.After.FactAccuracy)],
            [$"in the form {Name(form)}, temperature 1", Percent(result.Before.DrawnFormRate), Percent(result.After.DrawnFormRate)],
            ["right fact, temperature 1", Percent(result.Before.DrawnFactAccuracy), Percent(result.After.DrawnFactAccuracy)],
        ]);
        output.Line(Text($"Done in {result.TotalSeconds:F1} s, seed {result.Seed}. All figures are of this run."));
    }

    public void Dispose() => _progress.Dispose();

    private static string OneLine(string answer) => answer.Replace("\n", "⏎", StringComparison.Ordinal);

    private static string Name(AnswerForm value) => value.ToString().ToLowerInvariant();

    private static string Percent(double share) => Text($"{share * 100:F1} %");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
