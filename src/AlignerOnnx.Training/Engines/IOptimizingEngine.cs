namespace AlignerOnnx.Training;

/// <summary>Moves tokens and gates by the gradients that an engine computed.</summary>
public interface IAdapterOptimizer
{
    /// <summary>Starts a step: gradients computed before it do not count.</summary>
    void Begin();

    /// <summary>Makes one update.</summary>
    /// <param name="parameters">Tokens and gates; moved in place.</param>
    /// <param name="learningRate">The step's rate, 0 or more.</param>
    /// <param name="gradient">The sum of the gradients computed since <see cref="Begin"/>, clipped.</param>
    void Step(AdapterParameters parameters, double learningRate, GradientSum gradient);

    /// <summary>Copies what the next update depends on, the parameters excepted.</summary>
    AdamWState Snapshot();
}

/// <summary>An engine with an optimizer of its own, which keeps the gradients to itself.</summary>
public interface IOptimizingEngine : IGradientEngine
{
    /// <summary>Peak memory of further processes of the engine.</summary>
    long PeakMemoryBytes { get; }

    /// <summary>Starts or continues training.</summary>
    /// <param name="start">The parameters and the optimizer's memory.</param>
    /// <returns>The optimizer; at most one of an engine is used.</returns>
    IAdapterOptimizer StartOptimizer(TrainingState start);
}
