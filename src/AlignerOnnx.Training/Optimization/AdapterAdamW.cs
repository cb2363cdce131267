namespace AlignerOnnx.Training;

/// <summary><see cref="AdamW"/> on tokens and gates.</summary>
internal sealed class AdapterAdamW : IAdapterOptimizer
{
    private readonly AdamW _optimizer;
    private readonly AdapterParameters _parameters;

    public AdapterAdamW(AdamWOptions options, AdapterParameters parameters, AdamWState? state)
    {
        _parameters = parameters;
        _optimizer = new AdamW(options, parameters.Tokens, parameters.Gates);
        if (state is not null)
        {
            _optimizer.Restore(state);
        }
    }

    public void Begin()
    {
    }

    public void Step(AdapterParameters parameters, double learningRate, GradientSum gradient)
    {
        if (parameters != _parameters)
        {
            throw new ArgumentException("The optimizer was made for other tokens and gates.", nameof(parameters));
        }
        _optimizer.Step(learningRate, gradient.Tokens, gradient.Gates);
    }

    public AdamWState Snapshot() => _optimizer.Snapshot();
}
