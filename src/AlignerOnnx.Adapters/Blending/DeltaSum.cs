using System.Globalization;
using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>The weighted sum of folded vectors [1, L, d]. What an adapter of one token adds to each layer is linear in them, so the sum is exactly the adapters at their scales together.</summary>
internal static class DeltaSum
{
    /// <summary>The folded vectors of a compiled adapter.</summary>
    public static AdapterParameter Read(string path) => OnnxAdapterFile.Read(path) is [{ Name: OneTokenInjection.Slot, Type: DataType.Float or DataType.Float16 or DataType.Bfloat16 } only]
        ? only
        : throw new AdapterRefusedException("Only adapters of one token can be scaled and blended", path, null, $"one parameter {OneTokenInjection.Slot} of float, float16 or bfloat16",
            "use this adapter alone and at its own scale, or train one with a single token");

    /// <summary>The folded vectors of an adapter for a model, in float32 whatever the model's type.</summary>
    public static AdapterParameter Fold(Adapter adapter, string path, CompilationTarget model, bool anyBase)
    {
        if (!AdapterCompiler.Takes(SlotLayout.OneToken, adapter.Config))
        {
            throw new AdapterRefusedException("Only adapters of one token can be blended through a model", path, $"{adapter.Config.NumTokens} tokens, {adapter.Config.Attention}", "one token, gated",
                "several tokens have a softmax of their own, which no sum keeps: use this adapter alone, or train one with a single token");
        }
        adapter.RequireFits(model, anyBase);
        float[] delta = OneTokenFolding.Fold(model.Sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates);
        return new AdapterParameter(OneTokenInjection.Slot, DataType.Float, [1, model.Sites.Count, delta.Length / model.Sites.Count], FloatEncoding.ToBytes(delta, DataType.Float));
    }

    /// <summary>The sum, in double precision until it is stored.</summary>
    /// <param name="parts">Folded vectors of one model and their scales.</param>
    /// <param name="type">The element type of the sum; null for that of the parts, which then must be one.</param>
    public static AdapterParameter Of(IReadOnlyList<(BlendPart Part, AdapterParameter Delta)> parts, DataType? type)
    {
        AdapterParameter first = parts[0].Delta;
        double[] sum = new double[first.Shape.Aggregate(1L, (product, size) => product * size)];
        foreach ((BlendPart part, AdapterParameter delta) in parts)
        {
            if (!delta.Shape.SequenceEqual(first.Shape) || (type is null && delta.Type != first.Type))
            {
                throw new AdapterRefusedException("The adapters are for different models", part.Path, delta.ToString(), first.ToString(), "blend adapters that were compiled for one model");
            }
            double[] numbers = new double[sum.Length];
            TensorPrimitives.ConvertChecked<float, double>(FloatEncoding.ToSingles(delta.Data.Span, delta.Type), numbers);
            TensorPrimitives.MultiplyAdd(numbers, part.Scale, sum, sum);
        }
        return first with { Type = type ?? first.Type, Data = Encode(sum, type ?? first.Type) };
    }

    private static byte[] Encode(double[] sum, DataType type)
    {
        byte[] stored = FloatEncoding.ToBytes(Array.ConvertAll(sum, number => (float)number), type);
        int outside = Array.FindIndex(FloatEncoding.ToSingles(stored, type), number => !float.IsFinite(number));
        return outside < 0
            ? stored
            : throw new AdapterRefusedException("The blend is outside the range of the model's numbers", null, sum[outside].ToString("R", CultureInfo.InvariantCulture), $"finite numbers of {type}", "use smaller scales");
    }
}
