using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// De-quantises a block-wise quantised weight. Its last input only says when: a weight is not de-quantised before the gradient that is multiplied by it is there.
/// </summary>
internal sealed unsafe class DequantiseKernel : OperatorKernel
{
    private const long RowsAtOnce = 16;

    public override string Name => KernelOperators.Dequantise;

    public override int InputCount => 4;

    public override int RequiredInputs => 2;

    public override IReadOnlyList<string> Attributes => StoredWeight.Attributes;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        StoredWeight weight = StoredWeight.Of(context, firstInput: 0, attributes);
        Work work = new() { Weight = weight, Output = context.Output(0, weight.Rows, weight.Columns) };
        context.ParallelFor(&DequantiseRows, (weight.Rows + RowsAtOnce - 1) / RowsAtOnce, &work);
    }

    [UnmanagedCallersOnly]
    private static void DequantiseRows(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long last = Math.Min(((long)index + 1) * RowsAtOnce, work->Weight.Rows);
        for (long row = (long)index * RowsAtOnce; row < last; row++)
        {
            work->Weight.Dequantise(row, first: 0, work->Weight.Columns, work->Output + (row * work->Weight.Columns));
        }
    }

    private struct Work
    {
        public StoredWeight Weight;
        public float* Output;
    }
}
