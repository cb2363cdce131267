using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What <see cref="PocketDemo"/> shows.</summary>
/// <param name="Folder">The embedded model's folder, with <c>model-int4</c> and <c>data</c>.</param>
/// <param name="Form">The form to teach: json, polite, pirate or sentence.</param>
/// <param name="Seed">The seed of training and of drawn answers.</param>
/// <param name="Steps">Training steps; null takes the form's own number.</param>
public sealed record DemoOptions(string Folder, AnswerForm Form = AnswerForm.Json, int Seed = 1, int? Steps = null)
{
    /// <summary>The forms that the embedded data teaches.</summary>
    public static IReadOnlyList<AnswerForm> Forms { get; } = [AnswerForm.Json, AnswerForm.Polite, AnswerForm.Pirate, AnswerForm.Sentence];

    internal string Model => Path.Combine(Folder, "model-int4");

    internal string Facts => Path.Combine(Folder, "data", "facts.json");

    /// <summary>The recipe of the model card.</summary>
    internal TrainingOptions Recipe => new()
    {
        Steps = Steps ?? (Form == AnswerForm.Json ? 120 : 150),
        LearningRate = Form == AnswerForm.Json ? 0.02 : 0.03,
        BatchSize = 16,
        Seed = (ulong)Seed,
    };

    internal string Rows(string part) => Path.Combine(Folder, "data", $"form-{Form.ToString().ToLowerInvariant()}.{part}.jsonl");
}
