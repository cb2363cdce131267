using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>y = x s u with s = sigmoid(x): du = dy x s, dx = dy u (s + x s (1 - s)). A piece at a time, which stays in the nearest cache.</summary>
internal sealed unsafe class SwiGluGradientKernel : OperatorKernel
{
    private const int PieceSize = 1024;

    public override string Name => KernelOperators.SwiGluGradient;

    public override int InputCount => 3;

    public override int OutputCount => 2;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        long[] shape = context.Shape(0);
        long count = CountOf(shape);
        RequireSame(CountOf(context.Shape(1)), count, "the number of activations");
        RequireSame(CountOf(context.Shape(2)), count, "the number of factors");
        Work work = new()
        {
            Gradient = context.Input<float>(0),
            Source = context.Input<float>(1),
            Factor = context.Input<float>(2),
            SourceGradient = context.Output(0, shape),
            FactorGradient = context.Output(1, shape),
            Count = count,
        };
        context.ParallelFor(&DifferentiatePiece, (count + PieceSize - 1) / PieceSize, &work);
    }

    [UnmanagedCallersOnly]
    private static void DifferentiatePiece(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long first = (long)index * PieceSize;
        int count = (int)Math.Min(PieceSize, work->Count - first);
        ReadOnlySpan<float> gradient = new(work->Gradient + first, count);
        ReadOnlySpan<float> source = new(work->Source + first, count);
        ReadOnlySpan<float> factor = new(work->Factor + first, count);
        Span<float> sourceGradient = new(work->SourceGradient + first, count);
        Span<float> factorGradient = new(work->FactorGradient + first, count);
        Span<float> sigmoid = stackalloc float[PieceSize];
        sigmoid = sigmoid[..count];
        Span<float> activated = stackalloc float[PieceSize];
        activated = activated[..count];
        TensorPrimitives.Sigmoid(source, sigmoid);
        TensorPrimitives.Multiply(source, sigmoid, activated);
        TensorPrimitives.Multiply(gradient, activated, factorGradient);
        TensorPrimitives.Subtract(1f, sigmoid, sourceGradient);
        TensorPrimitives.MultiplyAdd(activated, sourceGradient, sigmoid, sourceGradient);
        TensorPrimitives.Multiply(sourceGradient, factor, sourceGradient);
        TensorPrimitives.Multiply(sourceGradient, gradient, sourceGradient);
    }

    private struct Work
    {
        public float* Gradient;
        public float* Source;
        public float* Factor;
        public float* SourceGradient;
        public float* FactorGradient;
        public long Count;
    }
}
