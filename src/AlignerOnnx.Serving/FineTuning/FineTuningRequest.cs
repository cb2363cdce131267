using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>What <see cref="SupervisedFineTuning"/> is to train.</summary>
public record FineTuningRequest
{
    /// <summary>The base model or its patched form: a folder or an .onnx file with its GenAI files beside it.</summary>
    public required string Model { get; init; }

    /// <summary>The file of rows to learn.</summary>
    public required string Data { get; init; }

    /// <summary>The file of held-out rows, which choose the best parameters; null measures nothing.</summary>
    public string? Evaluation { get; init; }

    /// <summary>The adapter folder to make; it must not exist, or be empty.</summary>
    public required string Output { get; init; }

    /// <summary>What to start from; its tokens and start layer are kept: an adapter folder, or, to go on with the optimizer's memory, the folder of a stopped run or a checkpoint of ONNX Runtime Training. Null starts from nothing.</summary>
    public string? From { get; init; }

    /// <summary>Whether <see cref="From"/> may be of another quantisation of the model.</summary>
    public bool AnyBase { get; init; }

    /// <summary>The longest row in tokens, 2 or more. Default 512.</summary>
    public int MaximumLength { get; init; } = 512;

    /// <summary>Which tokens of conversations are learnt. Default every answer.</summary>
    public LossOn LossOn { get; init; } = LossOn.Answers;

    /// <summary>Whether <see cref="Data"/> and <see cref="Evaluation"/> hold pairs of answers, of which the preferred ones are learnt.</summary>
    internal bool PreferredAnswers { get; init; }

    /// <summary>How rows of instruction, input and output are put to the model. Default as a conversation.</summary>
    public PromptStyle PromptStyle { get; init; } = PromptStyle.Chat;

    /// <summary>Whether the backward pass computes activations again rather than keep them: less memory, more time, the same numbers.</summary>
    public bool Recompute { get; init; }

    /// <summary>Whether to continue the run that was stopped before <see cref="Output"/> was made; it ends exactly where that run would have ended. Without a checkpoint it starts anew.</summary>
    public bool Resume { get; init; }

    /// <summary>Steps between two checkpoints, 1 or more. Default 10.</summary>
    public int CheckpointInterval { get; init; } = 10;

    /// <summary>Trains in a native ONNX Runtime built with training; null (the default) trains in plain ONNX Runtime.</summary>
    public OrtTrainingOptions? OrtTraining { get; init; }

    /// <summary>Where plain ONNX Runtime trains. Default the processor.</summary>
    public ComputeDevice Device { get; init; }

    /// <summary>What the adapter calls its base model; null writes <see cref="Model"/>.</summary>
    public string? ModelName { get; init; }

    /// <summary>Whether the learning rate of <see cref="Options"/> is for a hidden size of 128 and is to be fitted to the model's (<see cref="TrainingOptions.ForWidth"/>). Default false.</summary>
    public bool FitLearningRate { get; init; }

    /// <summary>The recipe.</summary>
    public TrainingOptions Options { get; init; } = new();

    /// <summary>What computes, for a checkpoint to compare: another engine or device rounds otherwise.</summary>
    internal string EngineName => OrtTraining is not null ? "ort-training" : Device == ComputeDevice.Cuda ? "onnxruntime-cuda" : "onnxruntime";

    /// <summary>The options with a learning rate that fits a model of the hidden size, where <see cref="FitLearningRate"/> asks for it.</summary>
    internal TrainingOptions OptionsFor(long hiddenSize) => FitLearningRate ? Options.ForWidth(hiddenSize) : Options;
}

/// <summary>Which native ONNX Runtime trains, and in which process.</summary>
/// <param name="Program">The program that runs <see cref="OrtTrainingWorker"/>, and its first arguments.</param>
/// <param name="Library">The library's file; null finds it by <see cref="OrtTrainingLibraryFile.Find"/>.</param>
public sealed record OrtTrainingOptions(IReadOnlyList<string> Program, string? Library = null)
{
    internal OrtTrainingProcess Start() => OrtTrainingProcess.Start(Program, OrtTrainingLibraryFile.Find(Library));
}

/// <summary>What supervised fine-tuning made.</summary>
/// <param name="Output">The adapter folder, as a full path.</param>
/// <param name="Run">The folder of the run's metrics, as a full path.</param>
/// <param name="Steps">Steps made, those of a continued run included.</param>
/// <param name="BestStep">The step whose tokens and gates were kept.</param>
/// <param name="FinalLoss">The loss of the last step before its update.</param>
/// <param name="EvalLoss">The loss of the evaluation rows with the tokens and gates that were kept; null without such rows.</param>
/// <param name="PeakMemoryBytes">Peak memory of the process.</param>
/// <param name="TrainableParameters">How many numbers were trained.</param>
/// <param name="StartLayer">The first adapted layer.</param>
/// <param name="Tokens">Tokens of the adapter.</param>
/// <param name="Seconds">Time of the training steps.</param>
/// <param name="Data">What became of the rows of the data file.</param>
/// <param name="Records">The run's metrics and their pictures.</param>
public sealed record FineTuningReport(
    string Output, string Run, int Steps, int BestStep, double FinalLoss, double? EvalLoss, long PeakMemoryBytes, int TrainableParameters, int StartLayer, int Tokens, double Seconds, DataReport Data, RunRecords Records)
{
    /// <summary>Seconds from the start of the process to the start of the first training step.</summary>
    public double FirstStepSeconds { get; init; }

    /// <summary>Why a picture of the losses or the events for TensorBoard could not be written, by a disk that is full for example; null where they are there.</summary>
    public string? DrawingProblem { get; init; }

    /// <summary>When the loss grew far above its start, and what to do; null where it never did.</summary>
    public LossGrowth? LossGrowth { get; init; }

    /// <summary>Why there were fewer steps than asked for; null where all were made.</summary>
    public EarlyStop? EarlyStop { get; init; }

    /// <summary>Share of pairs whose preferred answer is the more probable one: of the evaluation's pairs where there are some, else of the last step's; null for supervised training.</summary>
    public double? PreferenceAccuracy { get; init; }

    /// <summary>Share of those pairs whose preferred answer has the higher reward: it gained on the other one.</summary>
    public double? RewardAccuracy { get; init; }

    /// <summary>Mean difference of the rewards of those pairs.</summary>
    public double? Margin { get; init; }

    /// <summary>The adapter of the supervised stage that went before, as a full path; null where there was none.</summary>
    public string? SupervisedAdapter { get; init; }

    /// <summary>What rewards are relative to: <c>base</c> or an adapter folder; null for supervised training.</summary>
    public string? Reference { get; init; }
}
