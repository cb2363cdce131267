using Onnx;

namespace AlignerOnnx.ModelFuzz;

/// <summary>Chooses parts of a model, and odd numbers and names to put into it.</summary>
internal sealed class Picker(Random random, ModelProto model)
{
    private static readonly long[] Numbers =
        [0, 1, -1, 2, 3, 4, 5, 7, 8, 16, 24, 32, 64, 128, 256, 4096, 65536, int.MaxValue, int.MinValue, (long)int.MaxValue + 1, uint.MaxValue, 1L << 40, -(1L << 40), 1L << 62, long.MaxValue, long.MinValue];

    private static readonly float[] Reals = [0, -0f, 1, -1, 0.125f, 1e-30f, 1e30f, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, float.MaxValue];

    public Random Random => random;

    public ModelProto Model => model;

    public GraphProto Graph => model.Graph;

    public int Next(int count) => random.Next(count);

    public bool Once(int inTimes) => random.Next(inTimes) == 0;

    public long Number() => Numbers[random.Next(Numbers.Length)];

    public float Real() => Reals[random.Next(Reals.Length)];

    public T? From<T>(IList<T> list) where T : class => list.Count == 0 ? null : list[random.Next(list.Count)];

    /// <summary>A node; half of the time near an attention core, where recognition looks.</summary>
    public NodeProto? Node()
    {
        if (Graph.Node.Count == 0)
        {
            return null;
        }
        int at = random.Next(Graph.Node.Count);
        if (!Once(2))
        {
            return Graph.Node[at];
        }
        const int near = 12;
        for (int i = 0; i < Graph.Node.Count; i++)
        {
            int core = (at + i) % Graph.Node.Count;
            if (Graph.Node[core].OpType.EndsWith("Attention", StringComparison.Ordinal) || Graph.Node[core].OpType == "Softmax")
            {
                return Graph.Node[Math.Clamp(core + random.Next(-near, near), 0, Graph.Node.Count - 1)];
            }
        }
        return Graph.Node[at];
    }

    /// <summary>The name of some value, seldom one that is odd.</summary>
    public string Name()
    {
        switch (random.Next(12))
        {
            case < 6 when Node() is { Output.Count: > 0 } node:
                return node.Output[random.Next(node.Output.Count)];
            case < 8 when From(Graph.Initializer) is { } tensor:
                return tensor.Name;
            case 8 when From(Graph.Input) is { } input:
                return input.Name;
            case 9 when From(Graph.Output) is { } output:
                return output.Name;
            case 10:
                return "";
            default:
                return OddName();
        }
    }

    public string OddName() => random.Next(6) switch
    {
        0 => "aligner.delta",
        1 => "aligner.one_token",
        2 => "\0",
        3 => new string('x', 5000),
        4 => "../x/\u202E\uFFFD",
        _ => $"new{random.Next(100)}",
    };
}
