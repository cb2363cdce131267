using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AlignerOnnx.GraphRewrites;

namespace AlignerOnnx.Kernels;

/// <summary>
/// A value times a quantised weight [N, K] (the product of the backward pass) or its transpose (that of the forward pass). Three panels of 32 columns are de-quantised a piece of 256 rows at a time, into a
/// near cache, and multiplied there: the weight in float32 never goes through memory, and a piece of the value serves all three from the nearest.
/// </summary>
internal sealed unsafe class QuantisedProductKernel : OperatorKernel
{
    private const int Panel = KernelOperators.PanelColumns;
    private const int PanelsAtOnce = 3;
    private const int PieceRows = 256;

    public override string Name => KernelOperators.QuantisedProduct;

    public override int InputCount => 4;

    public override int RequiredInputs => 3;

    public override IReadOnlyList<string> Attributes { get; } = [.. StoredWeight.Attributes, "transposed"];

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        StoredWeight weight = StoredWeight.Of(context, firstInput: 1, attributes);
        bool transposed = attributes[^1] != 0;
        (long depth, long width) = transposed ? (weight.Columns, weight.Rows) : (weight.Rows, weight.Columns);
        long[] shape = context.Shape(0);
        RequireSame(shape[^1], depth, "the last dimension of the value");
        RequireSame(width % Panel, 0, $"the rest of {width} columns");
        Work work = new() { Weight = weight, Transposed = transposed, Depth = depth, Width = width, Value = context.Input<float>(0), Lines = CountOf(shape) / depth };
        shape[^1] = width;
        work.Output = context.Output(0, shape);
        context.ParallelFor(&MultiplyPanels, (width + (PanelsAtOnce * Panel) - 1) / (PanelsAtOnce * Panel), &work);
    }

    [UnmanagedCallersOnly]
    [SkipLocalsInit]
    private static void MultiplyPanels(void* arguments, nuint index)
    {
        Work* work = (Work*)arguments;
        long column = (long)index * PanelsAtOnce * Panel;
        int panels = (int)Math.Min(PanelsAtOnce, (work->Width - column) / Panel);
        float* pieces = stackalloc float[PanelsAtOnce * PieceRows * Panel];
        for (long first = 0; first < work->Depth; first += PieceRows)
        {
            int depth = (int)Math.Min(PieceRows, work->Depth - first);
            for (int panel = 0; panel < panels; panel++)
            {
                work->Dequantise(first, depth, column + (panel * Panel), pieces + (panel * PieceRows * Panel));
            }
            MultiplyPieces(work, first, pieces, depth, column, panels);
        }
    }

    private static void MultiplyPieces(Work* work, long first, float* pieces, int depth, long column, int panels)
    {
        for (long line = 0; line < work->Lines; line += PanelProduct.LinesAtOnce)
        {
            int lines = (int)Math.Min(PanelProduct.LinesAtOnce, work->Lines - line);
            for (int panel = 0; panel < panels; panel++)
            {
                PanelProduct.Compute(work->Value + (line * work->Depth) + first, work->Depth, pieces + (panel * PieceRows * Panel), depth,
                    work->Output + (line * work->Width) + column + (panel * Panel), work->Width, lines, add: first > 0);
            }
        }
    }

    private struct Work
    {
        public StoredWeight Weight;
        public bool Transposed;
        public long Depth;
        public long Width;
        public float* Value;
        public float* Output;
        public long Lines;

        /// <summary>A piece of a panel, [depth, 32]: rows of the weight as they are, or what stands in its columns.</summary>
        [SkipLocalsInit]
        public readonly void Dequantise(long first, int depth, long column, float* piece)
        {
            if (!Transposed)
            {
                for (int row = 0; row < depth; row++)
                {
                    Weight.Dequantise(first + row, column, Panel, piece + (row * Panel));
                }
                return;
            }
            float* lines = stackalloc float[Panel * PieceRows];
            for (int line = 0; line < Panel; line++)
            {
                Weight.Dequantise(column + line, first, depth, lines + (line * PieceRows));
            }
            Transposition.Apply(lines, PieceRows, Panel, depth, piece);
        }
    }
}
