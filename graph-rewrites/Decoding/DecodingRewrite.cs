using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Decoding;

/// <summary>All that is done to a decoder before a batch of answers is computed with it.</summary>
/// <param name="IsFlat">Whether it takes tokens of any rows in one run, see <see cref="FlatTokens"/>; else <c>input_ids</c> [b, s] and a mask.</param>
/// <param name="LastOnly">Whether it gives the logits of the last position only; those of all positions where not. One that is flat gives those that are asked for.</param>
public sealed record DecodingRewrite(bool IsFlat, bool LastOnly)
{
    /// <summary>Rewrites the graph, in place.</summary>
    /// <param name="model">The model.</param>
    /// <param name="headSize">Elements of a head, of all layers.</param>
    /// <param name="kernels">Whether the kernels of <see cref="KernelOperators"/> will be there, and are faster than ONNX Runtime's.</param>
    /// <param name="mayBeFlat">Whether the caller can give positions, rows and slots for each token.</param>
    public static DecodingRewrite Apply(OnnxModel model, int headSize, bool kernels, bool mayBeFlat)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (kernels)
        {
            CachedAttentions.Apply(model, headSize);
        }
        bool isFlat = mayBeFlat && FlatTokens.Apply(model);
        bool lastOnly = !isFlat && LastPosition.Apply(model);
        // Last: the rules before it know the last projection by its first operator.
        if (kernels)
        {
            Int4Products.Apply(model);
        }
        return new DecodingRewrite(isFlat, lastOnly);
    }
}
