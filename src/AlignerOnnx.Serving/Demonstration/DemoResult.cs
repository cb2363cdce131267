using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>Everything that one run of <see cref="PocketDemo"/> measured.</summary>
/// <param name="Form">The form that was taught.</param>
/// <param name="Seed">The seed.</param>
/// <param name="HeldOutRows">Rows measured, none of them trained.</param>
/// <param name="Before">The base model.</param>
/// <param name="Training">The training.</param>
/// <param name="After">The model with the compiled adapter.</param>
/// <param name="AdapterBytes">Size of the compiled adapter.</param>
/// <param name="Answers">The same questions answered without and with the adapter.</param>
/// <param name="TotalSeconds">Time of the whole run.</param>
public sealed record DemoResult(
    AnswerForm Form, int Seed, int HeldOutRows, AnswerMeasure Before, FineTuningReport Training, AnswerMeasure After, long AdapterBytes, IReadOnlyList<AnswerPair> Answers, double TotalSeconds);

/// <summary>The answers to all held-out questions, measured.</summary>
/// <param name="FormRate">Share of greedy answers in the form asked for.</param>
/// <param name="FactAccuracy">Share of greedy answers that state the right fact.</param>
/// <param name="Forms">How many greedy answers are in each form.</param>
/// <param name="DrawnFormRate">As <paramref name="FormRate"/>, of answers drawn at temperature 1.</param>
/// <param name="DrawnFactAccuracy">As <paramref name="FactAccuracy"/>, of answers drawn at temperature 1.</param>
/// <param name="DrawnForms">How many answers drawn at temperature 1 are in each form.</param>
/// <param name="Samples">Some of the drawn answers.</param>
public sealed record AnswerMeasure(
    double FormRate, double FactAccuracy, IReadOnlyDictionary<AnswerForm, int> Forms,
    double DrawnFormRate, double DrawnFactAccuracy, IReadOnlyDictionary<AnswerForm, int> DrawnForms, IReadOnlyList<SampleAnswer> Samples);

/// <summary>One answer.</summary>
/// <param name="Question">What was asked.</param>
/// <param name="Answer">What the model answered.</param>
/// <param name="Form">The answer's form.</param>
public sealed record SampleAnswer(string Question, string Answer, AnswerForm Form);

/// <summary>A question with the greedy answers without and with the adapter.</summary>
/// <param name="Question">What was asked.</param>
/// <param name="Base">The base model's answer.</param>
/// <param name="WithAdapter">The answer with the adapter.</param>
public sealed record AnswerPair(string Question, string Base, string WithAdapter);

/// <summary>Is told how a run of <see cref="PocketDemo"/> goes on.</summary>
public interface IDemoWatcher
{
    /// <summary>The embedded model was patched.</summary>
    /// <param name="sites">How many attention sites got a slot.</param>
    /// <param name="slot">The slot's name.</param>
    void Patched(int sites, string slot);

    /// <summary>The base model answered the held-out rows.</summary>
    /// <param name="before">What was measured.</param>
    void MeasuredBase(AnswerMeasure before);

    /// <summary>One training step was made.</summary>
    /// <param name="progress">The step.</param>
    void Trained(TrainingProgress progress);

    /// <summary>Training ended and the adapter was compiled.</summary>
    /// <param name="training">What was trained.</param>
    /// <param name="adapterBytes">Size of the compiled adapter.</param>
    void Compiled(FineTuningReport training, long adapterBytes);
}
