using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// x times a transposed weight of 4 bits, which is read as it is stored. The rows of x are rounded first; then each thread takes 32 columns of the product for up to 80 rows at a time: a piece of a prompt and the answers beside it.
/// </summary>
internal sealed unsafe class MatMulInt4Kernel : OperatorKernel
{
    private const long ColumnsAtOnce = 2 * Int4Weight.RowsAtOnce;
    private const long ValuesAtOnce = 8192;
    private const nuint CacheLine = 64;

    public override string Name => KernelOperators.MatMulInt4;

    public override int InputCount => 4;

    public override int RequiredInputs => 3;

    public override IReadOnlyList<string> Attributes => Int4Weight.Attributes;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        Int4Weight weight = Int4Weight.Of(context, firstInput: 1, attributes);
        long[] shape = context.Shape(0);
        RequireSame(shape[^1], weight.Columns, "the last dimension of the activations");
        long rows = CountOf(shape) / weight.Columns;
        shape[^1] = weight.Rows;
        Work work = new() { Weight = weight, Source = context.Input<float>(0), Output = context.Output(0, shape), Rows = rows, RoundedAtOnce = Math.Max(1, ValuesAtOnce / weight.Columns) };
        work.Records = (byte*)NativeMemory.AlignedAlloc((nuint)(rows * weight.Steps * RoundedRow.RecordSize), CacheLine);
        try
        {
            context.ParallelFor(&Round, (rows + work.RoundedAtOnce - 1) / work.RoundedAtOnce, &work);
            context.ParallelFor(&Multiply, work.Panels * work.ColumnGroups, &work);
        }
        finally
        {
            NativeMemory.AlignedFree(work.Records);
        }
    }

    [UnmanagedCallersOnly]
    private static void Round(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long last = Math.Min(((long)index + 1) * work->RoundedAtOnce, work->Rows);
        for (long row = (long)index * work->RoundedAtOnce; row < last; row++)
        {
            (long panel, long place) = Math.DivRem(row, Int4Product.MostRows);
            RoundedRow.Store(work->Source + (row * work->Weight.Columns), work->Weight.Columns, work->Weight.BlockSize,
                work->RecordsOf(panel) + (place * RoundedRow.RecordSize), work->RowsOf(panel) * RoundedRow.RecordSize);
        }
    }

    [UnmanagedCallersOnly]
    private static void Multiply(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        (long panel, long group) = Math.DivRem((long)index, work->ColumnGroups);
        float* output = work->Output + (panel * Int4Product.MostRows * work->Weight.Rows);
        long last = Math.Min((group + 1) * ColumnsAtOnce, work->Weight.Rows);
        for (long column = group * ColumnsAtOnce; column < last; column += Int4Weight.RowsAtOnce)
        {
            // The last sixteen columns may be computed twice in part: both times the same.
            long first = Math.Min(column, work->Weight.Rows - Int4Weight.RowsAtOnce);
            Int4Product.Compute(in work->Weight, first, work->RecordsOf(panel), work->RowsOf(panel), output + first, work->Weight.Rows);
        }
    }

    private struct Work
    {
        public Int4Weight Weight;
        public float* Source;
        public float* Output;
        public byte* Records;
        public long Rows;
        public long RoundedAtOnce;

        /// <summary>Groups of rows that share a pass over the weight.</summary>
        public readonly long Panels => (Rows + Int4Product.MostRows - 1) / Int4Product.MostRows;

        public readonly long ColumnGroups => (Weight.Rows + ColumnsAtOnce - 1) / ColumnsAtOnce;

        public readonly int RowsOf(long panel) => (int)Math.Min(Int4Product.MostRows, Rows - (panel * Int4Product.MostRows));

        public readonly byte* RecordsOf(long panel) => Records + (panel * Int4Product.MostRows * Weight.Steps * RoundedRow.RecordSize);
    }
}
