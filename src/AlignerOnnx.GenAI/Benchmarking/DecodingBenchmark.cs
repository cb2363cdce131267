using AlignerOnnx.Graph;
using AlignerOnnx.Kernels;

namespace AlignerOnnx.GenAI;

/// <summary>
/// What the batch costs with kernels of our own and with ONNX Runtime's alone: a step of some answers, each with an adapter of its own, and reading a prompt. In every round all ways do the same, in an order
/// of its own; ratios are those within rounds, and a control (our kernels again) says how far from 1 noise alone gets.
/// </summary>
public static class DecodingBenchmark
{
    private const int WarmUps = 2;

    private static readonly DecodingCase[] Cases =
        [.. new[] { 1, 2, 4, 8, 16 }.Select(rows => new DecodingCase(rows, Prompt: 0)), .. new[] { 16, 48, 256 }.Select(length => new DecodingCase(Rows: 1, length))];

    /// <summary>Measures a model.</summary>
    /// <param name="folder">A model folder with slots for one token, or with none.</param>
    /// <param name="rounds">Counted rounds, at least 1; two more come before them.</param>
    /// <param name="threads">Threads of one operator; null for what the model's configuration says, or else the runtime.</param>
    /// <param name="cancellation">Stops between measurements.</param>
    /// <exception cref="ModelRefusedException">The model cannot be loaded, or allows no batch.</exception>
    public static IReadOnlyList<DecodingTime> Run(string folder, int rounds, int? threads = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        GenAIConfig config = GenAIConfig.Read(Path.GetFullPath(folder));
        config = config with { Threads = threads ?? config.Threads };
        DecodingWay Open(bool kernels) => new(config, kernels, Cases.Max(each => each.Rows), Cases.Max(each => each.Prompt));
        using DecodingWay own = Open(OperatorKernels.DecodeFaster), control = Open(OperatorKernels.DecodeFaster), runtime = Open(kernels: false);
        DecodingWay[] order = [own, control, runtime];
        Random random = new(1);
        Dictionary<DecodingCase, List<(Cost Own, Cost Control, Cost Runtime)>> costs = Cases.ToDictionary(each => each, _ => new List<(Cost, Cost, Cost)>());
        for (int round = -WarmUps; round < rounds; round++)
        {
            foreach (DecodingCase each in Cases)
            {
                cancellation.ThrowIfCancellationRequested();
                random.Shuffle(order);
                Dictionary<DecodingWay, Cost> found = order.ToDictionary(way => way, way => Cost.Of(() => way.Compute(each)));
                if (round >= 0)
                {
                    costs[each].Add((found[own], found[control], found[runtime]));
                }
            }
        }
        return [.. Cases.Select(each => DecodingTime.Of(each, costs[each]))];
    }
}
