namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Where the folded vector of a layer is added. The sums are the same; what they cost is for measurement to say.</summary>
internal enum OneTokenPlacement
{
    /// <summary>An Add behind the output projection: any model, a vector for each row of a batch.</summary>
    Add,

    /// <summary>The bias of the SkipSimplifiedLayerNormalization that adds the projection's result to the residual: no node more, one vector for the batch.</summary>
    NormalizationBias,

    /// <summary>The bias of the MatMulNBits that is the output projection: no node more, one vector for the batch. CUDA takes constant biases only.</summary>
    ProjectionBias,
}
