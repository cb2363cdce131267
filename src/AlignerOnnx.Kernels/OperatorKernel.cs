namespace AlignerOnnx.Kernels;

/// <summary>The kernel of one operator of <see cref="AlignerOnnx.GraphRewrites.KernelOperators"/>.</summary>
internal abstract class OperatorKernel
{
    /// <summary>The operator.</summary>
    public abstract string Name { get; }

    /// <summary>Inputs, the optional ones included.</summary>
    public abstract int InputCount { get; }

    /// <summary>Inputs that must be there; all after them may be missing.</summary>
    public virtual int RequiredInputs => InputCount;

    /// <summary>Outputs, all float32.</summary>
    public virtual int OutputCount => 1;

    /// <summary>Integer attributes, at most <see cref="MaximumAttributes"/>.</summary>
    public virtual IReadOnlyList<string> Attributes => [];

    /// <summary>The most attributes that a kernel may have.</summary>
    public const int MaximumAttributes = 4;

    /// <summary>Computes the outputs.</summary>
    /// <param name="context">Inputs and outputs.</param>
    /// <param name="attributes">The values of <see cref="Attributes"/>.</param>
    public abstract void Compute(KernelContext context, ReadOnlySpan<long> attributes);

    /// <summary>The number of elements of a shape.</summary>
    protected static long CountOf(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long size in shape)
        {
            count *= size;
        }
        return count;
    }

    /// <summary>Refuses operands that do not belong together.</summary>
    protected void RequireSame(long found, long expected, string what)
    {
        if (found != expected)
        {
            throw new InvalidOperationException($"{Name}: {what} is {found}, expected {expected}");
        }
    }
}
