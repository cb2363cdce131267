using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using AlignerOnnx.GraphRewrites.Gradients;

namespace AlignerOnnx.Training;

/// <summary>
/// De-quantises a block-wise quantised weight, (q - zero point) * scale as ONNX Runtime computes it, sixteen elements at a time. Its last input only says when: a weight
/// is not de-quantised before the gradient that is multiplied by it is there.
/// </summary>
internal sealed unsafe class DequantiseKernel : GradientKernel
{
    private const int Step = 16;
    private const long RowsAtOnce = 16;

    public override string Name => KernelOperators.Dequantise;

    public override int InputCount => 4;

    public override int RequiredInputs => 2;

    public override IReadOnlyList<string> Attributes => ["bits", "block_size", "columns"];

    public override void Compute(KernelContext context, ReadOnlySpan<long> attributes)
    {
        (long bits, long blockSize, long columns) = (attributes[0], attributes[1], attributes[2]);
        long rows = context.Shape(0)[0];
        long blocks = columns / blockSize;
        RequireSame(CountOf(context.Shape(0)), rows * columns * bits / 8, "the number of element bytes");
        RequireSame(CountOf(context.Shape(1)), rows * blocks, "the number of scales");
        Work work = new()
        {
            Elements = context.Input<byte>(0),
            Scales = context.Input<float>(1),
            Zeros = context.Input<byte>(2),
            Output = context.Output(0, rows, columns),
            Rows = rows,
            Columns = columns,
            BlockSize = blockSize,
            Bits = (int)bits,
            ZeroBytes = (blocks * bits + 7) / 8,
        };
        context.ParallelFor(&DequantiseRows, (rows + RowsAtOnce - 1) / RowsAtOnce, &work);
    }

    [UnmanagedCallersOnly]
    private static void DequantiseRows(void* arguments, nuint index)
    {
        Work work = *(Work*)arguments;
        long last = Math.Min(((long)index + 1) * RowsAtOnce, work.Rows);
        for (long row = (long)index * RowsAtOnce; row < last; row++)
        {
            for (long block = 0; block < work.Columns / work.BlockSize; block++)
            {
                float scale = work.Scales[(row * (work.Columns / work.BlockSize)) + block];
                long first = (row * work.Columns) + (block * work.BlockSize);
                if (work.Bits == 4)
                {
                    Block4(work.Elements + (first / 2), work.Output + first, work.BlockSize, work.ZeroPoint(row, block), scale);
                }
                else
                {
                    Block8(work.Elements + first, work.Output + first, work.BlockSize, work.ZeroPoint(row, block), scale);
                }
            }
        }
    }

    private static void Block4(byte* elements, float* output, long count, int zeroPoint, float scale)
    {
        for (long i = 0; i < count; i += Step)
        {
            // Each byte holds two elements, the low half first: widened to 16 bits, the halves are spread into a byte each.
            Vector128<ushort> pairs = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)(elements + (i / 2))).AsByte());
            Store(((pairs | Vector128.ShiftLeft(pairs, 4)) & Vector128.Create((ushort)0x0F0F)).AsByte(), output + i, zeroPoint, scale);
        }
    }

    private static void Block8(byte* elements, float* output, long count, int zeroPoint, float scale)
    {
        for (long i = 0; i < count; i += Step)
        {
            Store(Vector128.Load(elements + i), output + i, zeroPoint, scale);
        }
    }

    private static void Store(Vector128<byte> elements, float* output, int zeroPoint, float scale)
    {
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(elements);
        Store(low, output, zeroPoint, scale);
        Store(high, output + (Step / 2), zeroPoint, scale);
    }

    private static void Store(Vector128<ushort> elements, float* output, int zeroPoint, float scale)
    {
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(elements);
        Vector256<int> numbers = Vector256.Create(low, high).AsInt32() - Vector256.Create(zeroPoint);
        (Vector256.ConvertToSingle(numbers) * scale).Store(output);
    }

    private struct Work
    {
        public byte* Elements;
        public float* Scales;
        public byte* Zeros;
        public float* Output;
        public long Rows;
        public long Columns;
        public long BlockSize;
        public int Bits;
        public long ZeroBytes;

        public readonly int ZeroPoint(long row, long block) =>
            Zeros is null ? 1 << (Bits - 1)
            : Bits == 8 ? Zeros[(row * ZeroBytes) + block]
            : (Zeros[(row * ZeroBytes) + (block / 2)] >> (int)(4 * (block % 2))) & 0xF;
    }
}
