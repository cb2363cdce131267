using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// dy times a quantised weight [N, K], the product of the backward pass. Three panels of 32 columns are de-quantised a piece of 256 rows at a time, into a near cache, and
/// multiplied there: the weight in float32 never goes through memory, and a piece of dy serves all three from the nearest.
/// </summary>
internal sealed unsafe class QuantisedProductKernel : OperatorKernel
{
    private const int Panel = KernelOperators.PanelColumns;
    private const int PanelsAtOnce = 3;
    private const int PieceRows = 256;

    public override string Name => KernelOperators.QuantisedProduct;

    public override int InputCount => 4;

    public override int RequiredInputs => 3;

    public override IReadOnlyList<string> Attributes => StoredWeight.Attributes;

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        StoredWeight weight = StoredWeight.Of(context, firstInput: 1, attributes);
        long[] shape = context.Shape(0);
        RequireSame(shape[^1], weight.Rows, "the last dimension of the gradient");
        RequireSame(weight.Columns % Panel, 0, $"the rest of {weight.Columns} columns");
        Work work = new() { Weight = weight, Gradient = context.Input<float>(0), Lines = CountOf(shape) / weight.Rows };
        shape[^1] = weight.Columns;
        work.Output = context.Output(0, shape);
        context.ParallelFor(&MultiplyPanels, (weight.Columns + (PanelsAtOnce * Panel) - 1) / (PanelsAtOnce * Panel), &work);
    }

    [UnmanagedCallersOnly]
    [SkipLocalsInit]
    private static void MultiplyPanels(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long column = (long)index * PanelsAtOnce * Panel;
        int panels = (int)Math.Min(PanelsAtOnce, (work->Weight.Columns - column) / Panel);
        float* pieces = stackalloc float[PanelsAtOnce * PieceRows * Panel];
        for (long first = 0; first < work->Weight.Rows; first += PieceRows)
        {
            int depth = (int)Math.Min(PieceRows, work->Weight.Rows - first);
            for (int row = 0; row < depth; row++)
            {
                for (int panel = 0; panel < panels; panel++)
                {
                    work->Weight.Dequantise(first + row, column + (panel * Panel), Panel, pieces + (((panel * PieceRows) + row) * Panel));
                }
            }
            MultiplyPieces(work, first, pieces, depth, column, panels);
        }
    }

    private static void MultiplyPieces(Work* work, long first, float* pieces, int depth, long column, int panels)
    {
        (long rows, long columns) = (work->Weight.Rows, work->Weight.Columns);
        for (long line = 0; line < work->Lines; line += PanelProduct.LinesAtOnce)
        {
            int lines = (int)Math.Min(PanelProduct.LinesAtOnce, work->Lines - line);
            for (int panel = 0; panel < panels; panel++)
            {
                PanelProduct.Compute(work->Gradient + (line * rows) + first, rows, pieces + (panel * PieceRows * Panel), depth,
                    work->Output + (line * columns) + column + (panel * Panel), columns, lines, add: first > 0);
            }
        }
    }

    private struct Work
    {
        public StoredWeight Weight;
        public float* Gradient;
        public float* Output;
        public long Lines;
    }
}
