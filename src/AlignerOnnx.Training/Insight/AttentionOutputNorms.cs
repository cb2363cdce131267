using System.Numerics.Tensors;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using Onnx;

namespace AlignerOnnx.Training;

/// <summary>Measures how large the base model's own attention output is in each layer: what a folded vector is added to.</summary>
public static class AttentionOutputNorms
{
    /// <summary>Runs texts through a model in ONNX Runtime.</summary>
    /// <param name="model">The model, patched or not; its slots stay empty.</param>
    /// <param name="texts">Token ids of each text, one or more each.</param>
    /// <returns>For each layer the mean over all positions of the Euclidean norm of what the output projection gives.</returns>
    /// <exception cref="ModelRefusedException">It is not recognised, or cannot be run.</exception>
    public static double[] Measure(OnnxModel model, IReadOnlyList<int[]> texts)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        OnnxModel watched = SlotLayouts.WithoutSlots(model).Clone();
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(watched).RequireSites();
        foreach (AttentionSite site in sites.Where(site => !site.End.IsGraphOutput))
        {
            watched.Graph.AddOutput(site.End, new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)site.ElementType } });
        }
        using DecoderSession session = new(watched, watched: [.. sites.Select(site => site.End.Name)]);
        double[] sums = new double[sites.Count];
        foreach (int[] text in texts)
        {
            using DecoderSession.Step step = session.Run(Array.ConvertAll(text, id => (long)id), batch: 1);
            for (int layer = 0; layer < sums.Length; layer++)
            {
                sums[layer] += step.Watched[layer].Chunk((int)sites[layer].HiddenSize).Sum(position => (double)TensorPrimitives.Norm<float>(position));
            }
        }
        int positions = texts.Sum(text => text.Length);
        return [.. sums.Select(sum => sum / positions)];
    }
}
