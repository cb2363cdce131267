using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>y = g x r with r = 1 / rms(x): dx = r g dy - x r^3 mean(g dy x), and what else has come to x.</summary>
internal sealed unsafe class RootMeanSquareGradientKernel : OperatorKernel
{
    private const long ValuesAtOnce = 4096;

    public override string Name => KernelOperators.RootMeanSquareGradient;

    public override int InputCount => 5;

    public override int RequiredInputs => 4;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        long[] shape = context.Shape(1);
        long count = CountOf(shape);
        long size = shape[^1];
        RequireSame(CountOf(context.Shape(0)), count, "the number of gradients");
        RequireSame(CountOf(context.Shape(2)), size, "the number of weights");
        RequireSame(CountOf(context.Shape(3)) * size, count, "the number of reciprocals times the row size");
        Work work = new()
        {
            Gradient = context.Input<float>(0),
            Source = context.Input<float>(1),
            Weight = context.Input<float>(2),
            Reciprocal = context.Input<float>(3),
            Past = context.Input<float>(4),
            Output = context.Output(0, shape),
            Size = (int)size,
            Rows = count / size,
            RowsAtOnce = Math.Max(1, ValuesAtOnce / size),
        };
        if (work.Past is not null)
        {
            RequireSame(CountOf(context.Shape(4)), count, "the number of gradients to add");
        }
        context.ParallelFor(&DifferentiateRows, (work.Rows + work.RowsAtOnce - 1) / work.RowsAtOnce, &work);
    }

    [UnmanagedCallersOnly]
    private static void DifferentiateRows(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        ReadOnlySpan<float> weight = new(work->Weight, work->Size);
        long last = Math.Min(((long)index + 1) * work->RowsAtOnce, work->Rows);
        for (long row = (long)index * work->RowsAtOnce; row < last; row++)
        {
            long first = row * work->Size;
            ReadOnlySpan<float> source = new(work->Source + first, work->Size);
            Span<float> output = new(work->Output + first, work->Size);
            float reciprocal = work->Reciprocal[row];
            TensorPrimitives.Multiply(new ReadOnlySpan<float>(work->Gradient + first, work->Size), weight, output);
            float bend = -reciprocal * reciprocal * reciprocal * TensorPrimitives.Dot<float>(output, source) / work->Size;
            TensorPrimitives.Multiply(output, reciprocal, output);
            TensorPrimitives.MultiplyAdd(source, bend, output, output);
            if (work->Past is not null)
            {
                TensorPrimitives.Add(output, new ReadOnlySpan<float>(work->Past + first, work->Size), output);
            }
        }
    }

    private struct Work
    {
        public float* Gradient;
        public float* Source;
        public float* Weight;
        public float* Reciprocal;
        public float* Past;
        public float* Output;
        public int Size;
        public long Rows;
        public long RowsAtOnce;
    }
}
