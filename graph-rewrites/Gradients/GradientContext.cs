using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>What a gradient rule sees: which inputs need a gradient, and where to put it.</summary>
internal sealed class GradientContext(OpEmitter emit, IReadOnlySet<Value> active, TrainingRuntime runtime)
{
    private readonly Dictionary<Value, Value> _gradients = [];

    /// <summary>Adds nodes of the backward pass.</summary>
    public OpEmitter Emit => emit;

    /// <summary>Whose operators may be used.</summary>
    public TrainingRuntime Runtime => runtime;

    /// <summary>Whether a value depends on what is trained.</summary>
    public bool Needs(Value? value) => value is not null && active.Contains(value);

    /// <summary>The gradient of a value so far; null where none has reached it.</summary>
    public Value? GradientOf(Value? value) => value is null ? null : _gradients.GetValueOrDefault(value);

    /// <summary>Adds a contribution to the gradient of a value.</summary>
    public void Accumulate(Value value, Value gradient) =>
        _gradients[value] = _gradients.TryGetValue(value, out Value? sum) ? emit.Add(sum, gradient) : gradient;

    /// <summary>Puts a gradient that contains all contributions so far in their place.</summary>
    public void Replace(Value value, Value gradient) => _gradients[value] = gradient;
}
