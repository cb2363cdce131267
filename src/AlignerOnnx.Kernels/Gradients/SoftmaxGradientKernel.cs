using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>y = softmax(x) along the last axis: dx = y (dy - sum(dy y)).</summary>
internal sealed unsafe class SoftmaxGradientKernel : OperatorKernel
{
    private const long ValuesAtOnce = 4096;

    public override string Name => KernelOperators.SoftmaxGradient;

    public override int InputCount => 2;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        long[] shape = context.Shape(1);
        long count = CountOf(shape);
        RequireSame(CountOf(context.Shape(0)), count, "the number of gradients");
        long size = Math.Max(1, shape[^1]);
        Work work = new()
        {
            Gradient = context.Input<float>(0),
            Probability = context.Input<float>(1),
            Output = context.Output(0, shape),
            Size = (int)size,
            Rows = count / size,
            RowsAtOnce = Math.Max(1, ValuesAtOnce / size),
        };
        context.ParallelFor(&DifferentiateRows, (work.Rows + work.RowsAtOnce - 1) / work.RowsAtOnce, &work);
    }

    [UnmanagedCallersOnly]
    private static void DifferentiateRows(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long last = Math.Min(((long)index + 1) * work->RowsAtOnce, work->Rows);
        for (long row = (long)index * work->RowsAtOnce; row < last; row++)
        {
            ReadOnlySpan<float> gradient = new(work->Gradient + (row * work->Size), work->Size);
            ReadOnlySpan<float> probability = new(work->Probability + (row * work->Size), work->Size);
            Span<float> output = new(work->Output + (row * work->Size), work->Size);
            TensorPrimitives.Subtract(gradient, TensorPrimitives.Dot(gradient, probability), output);
            TensorPrimitives.Multiply(output, probability, output);
        }
    }

    private struct Work
    {
        public float* Gradient;
        public float* Probability;
        public float* Output;
        public int Size;
        public long Rows;
        public long RowsAtOnce;
    }
}
